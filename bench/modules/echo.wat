;; Answers its input, moving it through its own memory eight bytes at a time, as plugin development kits do.
(module
  (import "extism:host/env" "input_length" (func $input_length (result i64)))
  (import "extism:host/env" "input_load_u8" (func $input_load_u8 (param i64) (result i32)))
  (import "extism:host/env" "input_load_u64" (func $input_load_u64 (param i64) (result i64)))
  (import "extism:host/env" "alloc" (func $alloc (param i64) (result i64)))
  (import "extism:host/env" "store_u8" (func $store_u8 (param i64 i32)))
  (import "extism:host/env" "store_u64" (func $store_u64 (param i64 i64)))
  (import "extism:host/env" "output_set" (func $output_set (param i64 i64)))
  (memory (export "memory") 17)

  (func (export "echo") (result i32)
    (local $length i64) (local $index i64) (local $output i64)
    (local.set $length (call $input_length))
    (block $end
      (loop $more
        (br_if $end (i64.gt_u (i64.add (local.get $index) (i64.const 8)) (local.get $length)))
        (i64.store (i32.wrap_i64 (local.get $index)) (call $input_load_u64 (local.get $index)))
        (local.set $index (i64.add (local.get $index) (i64.const 8)))
        (br $more)))
    (block $end
      (loop $more
        (br_if $end (i64.ge_u (local.get $index) (local.get $length)))
        (i32.store8 (i32.wrap_i64 (local.get $index)) (call $input_load_u8 (local.get $index)))
        (local.set $index (i64.add (local.get $index) (i64.const 1)))
        (br $more)))

    (local.set $output (call $alloc (local.get $length)))
    (local.set $index (i64.const 0))
    (block $end
      (loop $more
        (br_if $end (i64.gt_u (i64.add (local.get $index) (i64.const 8)) (local.get $length)))
        (call $store_u64
          (i64.add (local.get $output) (local.get $index))
          (i64.load (i32.wrap_i64 (local.get $index))))
        (local.set $index (i64.add (local.get $index) (i64.const 8)))
        (br $more)))
    (block $end
      (loop $more
        (br_if $end (i64.ge_u (local.get $index) (local.get $length)))
        (call $store_u8
          (i64.add (local.get $output) (local.get $index))
          (i32.load8_u (i32.wrap_i64 (local.get $index))))
        (local.set $index (i64.add (local.get $index) (i64.const 1)))
        (br $more)))
    (call $output_set (local.get $output) (local.get $length))
    (i32.const 0)))
