;; The host functions one by one, with arguments from the input, and short dialogues with them.

(data (i32.const 0) "hello, world")
(data (i32.const 32) "it broke")
(data (i32.const 48) "broken \ff text")
(data (i32.const 64) "key")
(data (i32.const 72) "value")
(data (i32.const 80) "other")

;; --- One host function each; the arguments are numbers in the input, the result is the output.

(func (export "alloc") (call $number (call $alloc (call $argument (i64.const 0)))))
(func (export "free") (call $free (call $argument (i64.const 0))))
(func (export "length") (call $number (call $length (call $argument (i64.const 0)))))
(func (export "length_unsafe") (call $number (call $length_unsafe (call $argument (i64.const 0)))))
(func (export "load_u8")
  (call $number (i64.extend_i32_u (call $load_u8 (call $argument (i64.const 0))))))
(func (export "load_u64") (call $number (call $load_u64 (call $argument (i64.const 0)))))
(func (export "store_u8") (call $store_u8 (call $argument (i64.const 0)) (i32.const 1)))
(func (export "store_u64") (call $store_u64 (call $argument (i64.const 0)) (i64.const 1)))
(func (export "input_length") (call $number (call $input_length)))
(func (export "input_offset") (call $number (call $input_offset)))
(func (export "input_load_u8")
  (call $number (i64.extend_i32_u (call $input_load_u8 (call $argument (i64.const 0))))))
(func (export "input_load_u64")
  (call $number (call $input_load_u64 (call $argument (i64.const 0)))))
(func (export "output_set")
  (call $output_set (call $argument (i64.const 0)) (call $argument (i64.const 1))))
(func (export "error_set") (call $error_set (call $argument (i64.const 0))))
(func (export "config_get") (call $number (call $config_get (call $argument (i64.const 0)))))
(func (export "var_get") (call $number (call $var_get (call $argument (i64.const 0)))))
(func (export "var_set")
  (call $var_set (call $argument (i64.const 0)) (call $argument (i64.const 1))))
(func (export "http_request")
  (call $number
    (call $http_request (call $argument (i64.const 0)) (call $argument (i64.const 1)))))
(func (export "log_trace") (call $log_trace (call $argument (i64.const 0))))
(func (export "log_debug") (call $log_debug (call $argument (i64.const 0))))
(func (export "log_info") (call $log_info (call $argument (i64.const 0))))
(func (export "log_warn") (call $log_warn (call $argument (i64.const 0))))
(func (export "log_error") (call $log_error (call $argument (i64.const 0))))
(func (export "get_log_level") (call $number (i64.extend_i32_u (call $get_log_level))))

;; --- Input and output.

(func (export "echo") (result i32)
  (call $output_set (call $input_offset) (call $input_length))
  (i32.const 0))
(func (export "echo_returning_nothing")
  (call $output_set (call $input_offset) (call $input_length)))

;; Byte by byte through the input's own index.
(func (export "echo_bytes")
  (local $index i64)
  (local $target i64)
  (local.set $target (call $alloc (call $input_length)))
  (block $end
    (loop $next
      (br_if $end (i64.ge_u (local.get $index) (call $input_length)))
      (call $store_u8
        (i64.add (local.get $target) (local.get $index))
        (call $input_load_u8 (local.get $index)))
      (local.set $index (i64.add (local.get $index) (i64.const 1)))
      (br $next)))
  (call $output (local.get $target)))

;; The same with eight bytes at once, through offsets.
(func (export "echo_words")
  (local $done i64)
  (local $target i64)
  (local.set $target (call $alloc (call $input_length)))
  (block $end
    (loop $next
      (br_if $end (i64.ge_u (local.get $done) (call $input_length)))
      (call $store_u64
        (i64.add (local.get $target) (local.get $done))
        (call $load_u64 (i64.add (call $input_offset) (local.get $done))))
      (local.set $done (i64.add (local.get $done) (i64.const 8)))
      (br $next)))
  (call $output (local.get $target)))

;; Only the lowest eight bits of a stored byte count.
(func (export "store_low_byte")
  (local $handle i64)
  (local.set $handle (call $alloc (i64.const 2)))
  (call $store_u8 (local.get $handle) (i32.const 0x12345641))
  (call $output (local.get $handle)))

(func (export "output_part")
  (call $output_set
    (i64.add (call $block (i32.const 0) (i32.const 12)) (i64.const 7))
    (i64.const 5)))
(func (export "output_twice")
  (call $output (call $block (i32.const 0) (i32.const 12)))
  (call $output (call $block (i32.const 72) (i32.const 5))))
(func (export "output_none"))
(func (export "output_empty")
  (call $output (call $block (i32.const 0) (i32.const 12)))
  (call $output_set (i64.const 0) (i64.const 0)))

;; --- Handles.

;; A block freed twice is handed out once.
(func (export "free_twice")
  (local $first i64)
  (local.set $first (call $alloc (i64.const 64)))
  (call $free (local.get $first))
  (call $free (local.get $first))
  (call $push (local.get $first))
  (call $push (call $alloc (i64.const 64)))
  (call $push (call $alloc (i64.const 64)))
  (call $results))

;; Lengths: of a block, of its inside, after it was freed.
(func (export "lengths")
  (local $handle i64)
  (local.set $handle (call $block (i32.const 0) (i32.const 12)))
  (call $push (call $length (local.get $handle)))
  (call $push (call $length_unsafe (local.get $handle)))
  (call $push (call $length (i64.add (local.get $handle) (i64.const 1))))
  (call $push (call $length_unsafe (i64.add (local.get $handle) (i64.const 1))))
  (call $push (call $length (i64.const 0)))
  (call $free (local.get $handle))
  (call $push (call $length (local.get $handle)))
  (call $push (call $length_unsafe (local.get $handle)))
  (call $results))

;; A block made of a freed one holds nothing of it.
(func (export "reused_block")
  (local $handle i64)
  (local.set $handle (call $block (i32.const 0) (i32.const 12)))
  (call $free (local.get $handle))
  (call $output (call $alloc (i64.const 12))))

(func (export "freed_handle")
  (local $handle i64)
  (local.set $handle (call $block (i32.const 64) (i32.const 3)))
  (call $free (local.get $handle))
  (drop (call $config_get (local.get $handle))))

;; Without its block, the input is gone.
(func (export "free_input")
  (call $free (call $input_offset))
  (call $number (call $input_length)))

;; --- Errors.

(func (export "error_and_code") (result i32)
  (call $error_set (call $block (i32.const 32) (i32.const 8)))
  (i32.const 1))
(func (export "error_and_zero") (result i32)
  (call $output (call $block (i32.const 0) (i32.const 12)))
  (call $error_set (call $block (i32.const 32) (i32.const 8)))
  (i32.const 0))
(func (export "error_and_nothing")
  (call $error_set (call $block (i32.const 32) (i32.const 8))))
(func (export "error_not_utf8") (result i32)
  (call $error_set (call $block (i32.const 48) (i32.const 13)))
  (i32.const 1))
(func (export "error_freed") (result i32)
  (local $handle i64)
  (local.set $handle (call $block (i32.const 32) (i32.const 8)))
  (call $error_set (local.get $handle))
  (call $free (local.get $handle))
  (i32.const 5))
(func (export "error_withdrawn") (result i32)
  (call $error_set (call $block (i32.const 32) (i32.const 8)))
  (call $error_set (i64.const 0))
  (i32.wrap_i64 (call $argument (i64.const 0))))
(func (export "error_and_trap")
  (call $error_set (call $block (i32.const 32) (i32.const 8)))
  (unreachable))
(func (export "code") (result i32) (i32.wrap_i64 (call $argument (i64.const 0))))

(func (export "error_get")
  (local $handle i64)
  (call $push (call $error_get))
  (local.set $handle (call $block (i32.const 32) (i32.const 8)))
  (call $error_set (local.get $handle))
  (call $push (i64.sub (call $error_get) (local.get $handle)))
  (call $error_set (i64.const 0))
  (call $push (call $error_get))
  (call $results))

;; Blocks, input, output and error are gone; variables stay.
(func (export "reset") (result i32)
  (call $var_set
    (call $block (i32.const 64) (i32.const 3))
    (call $block (i32.const 72) (i32.const 5)))
  (call $output (call $block (i32.const 0) (i32.const 12)))
  (call $error_set (call $block (i32.const 32) (i32.const 8)))
  (call $reset)
  (call $push (call $error_get))
  (call $push (call $input_length))
  (call $push (call $length (call $var_get (call $block (i32.const 64) (i32.const 3)))))
  (call $results)
  (i32.const 0))
(func (export "output_after_reset")
  (call $output (call $block (i32.const 0) (i32.const 12)))
  (call $reset))
(func (export "handle_after_reset")
  (local $handle i64)
  (local.set $handle (call $alloc (i64.const 4096)))
  (call $reset)
  (drop (call $length (local.get $handle))))

;; --- Configuration and variables.

;; The value of the key that the input names, or nothing.
(func (export "config")
  (call $output (call $config_get (call $input_offset))))
(func (export "config_handle")
  (call $number (call $config_get (call $input_offset))))

(func $key (result i64) (call $block (i32.const 64) (i32.const 3)))
(func $set_key_to_value
  (call $var_set (call $key) (call $block (i32.const 72) (i32.const 5))))

(func (export "var_absent") (call $number (call $var_get (call $key))))
(func (export "var_set_and_get")
  (call $set_key_to_value)
  (call $output (call $var_get (call $key))))
(func (export "var_replaced")
  (call $set_key_to_value)
  (call $var_set (call $key) (call $block (i32.const 80) (i32.const 5)))
  (call $output (call $var_get (call $key))))
(func (export "var_removed")
  (call $set_key_to_value)
  (call $var_set (call $key) (i64.const 0))
  (call $number (call $var_get (call $key))))
;; A variable is a copy: what happens to the block later does not change it.
(func (export "var_is_a_copy")
  (local $value i64)
  (local.set $value (call $block (i32.const 72) (i32.const 5)))
  (call $var_set (call $key) (local.get $value))
  (call $store_u8 (local.get $value) (i32.const 0x58))
  (call $store_u8 (call $var_get (call $key)) (i32.const 0x59))
  (call $output (call $var_get (call $key))))

;; --- HTTP, before any request.

(func (export "http_before")
  (call $push (i64.extend_i32_u (call $http_status_code)))
  (call $push (call $http_headers))
  (call $results))

;; --- The input is the message.

(func (export "say_trace") (call $log_trace (call $input_offset)))
(func (export "say_debug") (call $log_debug (call $input_offset)))
(func (export "say_info") (call $log_info (call $input_offset)))
(func (export "say_warn") (call $log_warn (call $input_offset)))
(func (export "say_error") (call $log_error (call $input_offset)))

;; Says its input a thousand times.
(func (export "say_often") (local $left i32)
  (local.set $left (i32.const 1000))
  (loop $again
    (call $log_info (call $input_offset))
    (br_if $again (local.tee $left (i32.sub (local.get $left) (i32.const 1))))))
