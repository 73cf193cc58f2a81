;; Guests that want too much, and one that answers.

(table $table 1 funcref)
(data (i32.const 0) "running")

(func (export "answer")
  (call $output_set (call $input_offset) (call $input_length)))

(func (export "spin") (loop $forever (br $forever)))
;; Says so in the log first, with its input where it has one.
(func (export "announce_and_spin")
  (if (i64.eqz (call $input_length))
    (then (call $log_info (call $block (i32.const 0) (i32.const 7))))
    (else (call $log_info (call $input_offset))))
  (loop $forever (br $forever)))

(func (export "grow_memory")
  (loop $forever
    (drop (memory.grow (i32.const 16)))
    (br $forever)))
(func (export "grow_memory_at_once") (drop (memory.grow (i32.const 65535))))
(func (export "grow_table")
  (loop $forever
    (drop (table.grow $table (ref.null func) (i32.const 1000)))
    (br $forever)))
(func (export "grow_table_at_once")
  (drop (table.grow $table (ref.null func) (i32.const -1))))

(func $deeper (param i64) (result i64)
  (i64.add (call $deeper (i64.add (local.get 0) (i64.const 1))) (i64.const 1)))
(func (export "recurse") (call $number (call $deeper (i64.const 0))))

(func (export "alloc")
  (loop $forever
    (drop (call $alloc (i64.const 65536)))
    (br $forever)))
(func (export "alloc_at_once") (drop (call $alloc (i64.const -1))))
;; As many blocks of one byte as the input says.
(func (export "alloc_small")
  (local $left i64)
  (local.set $left (call $argument (i64.const 0)))
  (loop $next
    (drop (call $alloc (i64.const 1)))
    (local.set $left (i64.sub (local.get $left) (i64.const 1)))
    (br_if $next (i64.ne (local.get $left) (i64.const 0)))))
;; The same blocks, each freed before the next.
(func (export "alloc_and_free")
  (local $left i64)
  (local.set $left (call $argument (i64.const 0)))
  (loop $next
    (call $free (call $alloc (i64.const 65536)))
    (local.set $left (i64.sub (local.get $left) (i64.const 1)))
    (br_if $next (i64.ne (local.get $left) (i64.const 0)))))

;; As many variables as the first number says, the value of each of as many bytes as the second.
(func $set_variables (param $step i64)
  (local $key i64)
  (local $value i64)
  (local $left i64)
  (local.set $key (call $alloc (i64.const 8)))
  (local.set $left (call $argument (i64.const 0)))
  (local.set $value (call $alloc (call $argument (i64.const 1))))
  (loop $next
    (call $store_u64 (local.get $key) (i64.mul (local.get $left) (local.get $step)))
    (call $var_set (local.get $key) (local.get $value))
    (local.set $left (i64.sub (local.get $left) (i64.const 1)))
    (br_if $next (i64.ne (local.get $left) (i64.const 0)))))
(func (export "set_variables") (call $set_variables (i64.const 1)))
;; The same number of times, one variable.
(func (export "replace_variable") (call $set_variables (i64.const 0)))

;; As many bytes of output as the input says.
(func (export "output")
  (local $handle i64)
  (local.set $handle (call $alloc (call $argument (i64.const 0))))
  (call $output (local.get $handle)))
;; A larger output each time.
(func (export "output_endless")
  (local $length i64)
  (local.set $length (i64.const 1))
  (loop $forever
    (call $output (call $alloc (local.get $length)))
    (local.set $length (i64.mul (local.get $length) (i64.const 2)))
    (br $forever)))
(func (export "log_endless")
  (local $handle i64)
  (local.set $handle (call $block (i32.const 0) (i32.const 7)))
  (loop $forever
    (call $log_trace (local.get $handle))
    (br $forever)))

(func (export "trap") (unreachable))
(func (export "divide_by_zero")
  (drop (i32.div_u (i32.const 1) (i32.wrap_i64 (i64.and (call $input_length) (i64.const 0))))))
;; One byte behind the memory, and as far behind it as a module can point.
(func (export "read_behind_memory")
  (drop (i32.load8_u (i32.const 65536))))
(func (export "read_far_behind_memory")
  (drop (i32.load8_u offset=0xffffffff (i32.const 0xffffffff))))
(func (export "write_behind_memory")
  (i32.store8 (i32.const 65536) (i32.const 1)))
