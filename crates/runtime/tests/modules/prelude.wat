;; The first fields of every test module that speaks the Extism ABI: all its imports, a memory, and
;; a few helpers. The tests put these in front of a module's own fields.

(import "extism:host/env" "alloc" (func $alloc (param i64) (result i64)))
(import "extism:host/env" "free" (func $free (param i64)))
(import "extism:host/env" "length" (func $length (param i64) (result i64)))
(import "extism:host/env" "length_unsafe" (func $length_unsafe (param i64) (result i64)))
(import "extism:host/env" "load_u8" (func $load_u8 (param i64) (result i32)))
(import "extism:host/env" "load_u64" (func $load_u64 (param i64) (result i64)))
(import "extism:host/env" "store_u8" (func $store_u8 (param i64 i32)))
(import "extism:host/env" "store_u64" (func $store_u64 (param i64 i64)))
(import "extism:host/env" "input_length" (func $input_length (result i64)))
(import "extism:host/env" "input_offset" (func $input_offset (result i64)))
(import "extism:host/env" "input_load_u8" (func $input_load_u8 (param i64) (result i32)))
(import "extism:host/env" "input_load_u64" (func $input_load_u64 (param i64) (result i64)))
(import "extism:host/env" "output_set" (func $output_set (param i64 i64)))
(import "extism:host/env" "error_set" (func $error_set (param i64)))
(import "extism:host/env" "error_get" (func $error_get (result i64)))
(import "extism:host/env" "reset" (func $reset))
(import "extism:host/env" "config_get" (func $config_get (param i64) (result i64)))
(import "extism:host/env" "var_get" (func $var_get (param i64) (result i64)))
(import "extism:host/env" "var_set" (func $var_set (param i64 i64)))
(import "extism:host/env" "http_request" (func $http_request (param i64 i64) (result i64)))
(import "extism:host/env" "http_status_code" (func $http_status_code (result i32)))
(import "extism:host/env" "http_headers" (func $http_headers (result i64)))
(import "extism:host/env" "log_trace" (func $log_trace (param i64)))
(import "extism:host/env" "log_debug" (func $log_debug (param i64)))
(import "extism:host/env" "log_info" (func $log_info (param i64)))
(import "extism:host/env" "log_warn" (func $log_warn (param i64)))
(import "extism:host/env" "log_error" (func $log_error (param i64)))
(import "extism:host/env" "get_log_level" (func $get_log_level (result i32)))

;; Texts of the module lie below 32768, pushed numbers from there on.
(memory (export "memory") 1)
(global $top (mut i32) (i32.const 32768))

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

;; The output is this block.
(func $output (param $handle i64)
  (call $output_set (local.get $handle) (call $length (local.get $handle))))

;; The output is the numbers pushed so far, eight bytes each.
(func $push (param $number i64)
  (i64.store (global.get $top) (local.get $number))
  (global.set $top (i32.add (global.get $top) (i32.const 8))))
(func $results
  (call $output (call $block (i32.const 32768) (i32.sub (global.get $top) (i32.const 32768)))))
(func $number (param $number i64)
  (call $push (local.get $number))
  (call $results))

;; The input as a list of numbers.
(func $argument (param $index i64) (result i64)
  (call $input_load_u64 (i64.mul (local.get $index) (i64.const 8))))
