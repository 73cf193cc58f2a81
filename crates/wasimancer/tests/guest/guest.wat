;; The plugin of the integration tests: each export does one thing that a server must cope with.
;; Its input is the JSON object of the tool's arguments; `{"output":…}` where an export takes a
;; part of it.
(module
  (import "extism:host/env" "alloc" (func $alloc (param i64) (result i64)))
  (import "extism:host/env" "load_u8" (func $load_u8 (param i64) (result i32)))
  (import "extism:host/env" "store_u8" (func $store_u8 (param i64 i32)))
  (import "extism:host/env" "length" (func $length (param i64) (result i64)))
  (import "extism:host/env" "input_length" (func $input_length (result i64)))
  (import "extism:host/env" "input_offset" (func $input_offset (result i64)))
  (import "extism:host/env" "output_set" (func $output_set (param i64 i64)))
  (import "extism:host/env" "error_set" (func $error_set (param i64)))
  (import "extism:host/env" "config_get" (func $config_get (param i64) (result i64)))
  (import "extism:host/env" "http_request" (func $http_request (param i64 i64) (result i64)))
  (import "extism:host/env" "log_info" (func $log_info (param i64)))

  (memory (export "memory") 1)
  (table $table 1 funcref)
  (data (i32.const 0) "it broke")
  (data (i32.const 16) "h\ff\c3llo")
  (data (i32.const 32) "running")

  ;; A new block with a copy of a stretch of linear memory.
  (func $block (param $at i32) (param $length i32) (result i64)
    (local $handle i64)
    (local $done i32)
    (local.set $handle (call $alloc (i64.extend_i32_u (local.get $length))))
    (block $end
      (loop $next
        (br_if $end (i32.ge_u (local.get $done) (local.get $length)))
        (call $store_u8
          (i64.add (local.get $handle) (i64.extend_i32_u (local.get $done)))
          (i32.load8_u (i32.add (local.get $at) (local.get $done))))
        (local.set $done (i32.add (local.get $done) (i32.const 1)))
        (br $next)))
    (local.get $handle))

  ;; The output is a whole block.
  (func $output (param $handle i64)
    (if (i64.ne (local.get $handle) (i64.const 0))
      (then (call $output_set (local.get $handle) (call $length (local.get $handle))))))

  ;; Offset and length of the value in `{"output":value}`.
  (func $value_offset (result i64) (i64.add (call $input_offset) (i64.const 10)))
  (func $value_length (result i64) (i64.sub (call $input_length) (i64.const 11)))

  ;; A new block with the text in `{"output":"text"}`, escapes as they are.
  (func $text (result i64)
    (local $handle i64)
    (local $done i64)
    (local $length i64)
    (local.set $length (i64.sub (call $value_length) (i64.const 2)))
    (local.set $handle (call $alloc (local.get $length)))
    (block $end
      (loop $next
        (br_if $end (i64.ge_u (local.get $done) (local.get $length)))
        (call $store_u8
          (i64.add (local.get $handle) (local.get $done))
          (call $load_u8
            (i64.add (i64.add (call $value_offset) (i64.const 1)) (local.get $done))))
        (local.set $done (i64.add (local.get $done) (i64.const 1)))
        (br $next)))
    (local.get $handle))

  ;; --- Answers.

  ;; The input.
  (func (export "echo") (result i32)
    (call $output_set (call $input_offset) (call $input_length))
    (i32.const 0))
  ;; The value of `output`, as JSON.
  (func (export "value")
    (call $output_set (call $value_offset) (call $value_length)))
  ;; The text of `output`.
  (func (export "text") (call $output (call $text)))
  ;; The configuration under the name in `output`.
  (func (export "config") (call $output (call $config_get (call $text))))
  ;; The body of the response to the request that the input describes.
  (func (export "get") (call $output (call $http_request (call $input_offset) (i64.const 0))))
  (func (export "not_utf8") (call $output (call $block (i32.const 16) (i32.const 6))))
  (func (export "nothing"))
  (func (export "log")
    (call $log_info (call $text))
    (call $output (call $text)))

  ;; --- Failures.

  (func (export "fail") (result i32)
    (call $error_set (call $block (i32.const 0) (i32.const 8)))
    (i32.const 1))
  (func (export "fail_with_text") (result i32)
    (call $error_set (call $text))
    (i32.const 1))
  (func (export "code") (result i32) (i32.const 7))
  (func (export "trap") (unreachable))

  ;; --- Too much of something.

  (func (export "spin")
    (call $log_info (call $block (i32.const 32) (i32.const 7)))
    (loop $forever (br $forever)))
  (func (export "grow_memory")
    (loop $forever
      (drop (memory.grow (i32.const 16)))
      (br $forever)))
  (func (export "grow_table")
    (loop $forever
      (drop (table.grow $table (ref.null func) (i32.const 1000)))
      (br $forever)))
  (func $deeper (param i64) (result i64)
    (i64.add (call $deeper (i64.add (local.get 0) (i64.const 1))) (i64.const 1)))
  (func (export "recurse") (drop (call $deeper (i64.const 0))))
  ;; 64 KiB of zeros.
  (func (export "large") (call $output (call $alloc (i64.const 65536))))
)
