;; WASI preview 1, each function with the least around it. Numbers go out as eight bytes each.
(module
  (import "extism:host/env" "alloc" (func $alloc (param i64) (result i64)))
  (import "extism:host/env" "store_u8" (func $store_u8 (param i64 i32)))
  (import "extism:host/env" "input_length" (func $input_length (result i64)))
  (import "extism:host/env" "input_load_u8" (func $input_load_u8 (param i64) (result i32)))
  (import "extism:host/env" "input_load_u64" (func $input_load_u64 (param i64) (result i64)))
  (import "extism:host/env" "output_set" (func $output_set (param i64 i64)))
  (import "extism:host/env" "error_set" (func $error_set (param i64)))
  (import "wasi_snapshot_preview1" "args_sizes_get"
    (func $args_sizes_get (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "environ_sizes_get"
    (func $environ_sizes_get (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "clock_time_get"
    (func $clock_time_get (param i32 i64 i32) (result i32)))
  (import "wasi_snapshot_preview1" "random_get" (func $random_get (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_prestat_get"
    (func $fd_prestat_get (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "path_open"
    (func $path_open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_write"
    (func $fd_write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_read" (func $fd_read (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "sock_accept"
    (func $sock_accept (param i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "poll_oneoff"
    (func $poll_oneoff (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $proc_exit (param i32)))

  (memory (export "memory") 4)
  (data (i32.const 0) "/etc/passwd")
  (data (i32.const 16) "gave up")

  ;; The output is a stretch of linear memory.
  (func $output (param $at i32) (param $length i32)
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
    (call $output_set (local.get $handle) (i64.extend_i32_u (local.get $length))))
  (func $number (param $number i64)
    (i64.store (i32.const 64) (local.get $number))
    (call $output (i32.const 64) (i32.const 8)))
  (func $errno (param $errno i32) (call $number (i64.extend_i32_u (local.get $errno))))

  ;; How many, and their bytes, as two numbers of four bytes in one.
  (func (export "arguments")
    (if (call $args_sizes_get (i32.const 128) (i32.const 132)) (then (unreachable)))
    (call $output (i32.const 128) (i32.const 8)))
  (func (export "environment")
    (if (call $environ_sizes_get (i32.const 128) (i32.const 132)) (then (unreachable)))
    (call $output (i32.const 128) (i32.const 8)))

  (func (export "realtime")
    (if (call $clock_time_get (i32.const 0) (i64.const 1) (i32.const 128)) (then (unreachable)))
    (call $output (i32.const 128) (i32.const 8)))
  ;; Nanoseconds between two readings of the monotonic clock.
  (func (export "monotonic")
    (if (call $clock_time_get (i32.const 1) (i64.const 1) (i32.const 128)) (then (unreachable)))
    (if (call $clock_time_get (i32.const 1) (i64.const 1) (i32.const 136)) (then (unreachable)))
    (call $number (i64.sub (i64.load (i32.const 136)) (i64.load (i32.const 128)))))
  (func (export "random")
    (if (call $random_get (i32.const 128) (i32.const 32)) (then (unreachable)))
    (call $output (i32.const 128) (i32.const 32)))

  ;; The error number of asking for the folder that the input's descriptor was opened on.
  (func (export "preopened")
    (call $errno
      (call $fd_prestat_get (i32.wrap_i64 (call $input_load_u64 (i64.const 0))) (i32.const 128))))
  ;; The error number of opening a file below the input's descriptor.
  (func (export "open")
    (call $errno
      (call $path_open
        (i32.wrap_i64 (call $input_load_u64 (i64.const 0)))
        (i32.const 0) (i32.const 0) (i32.const 11) (i32.const 0)
        (i64.const 2) (i64.const 0) (i32.const 0) (i32.const 128))))
  (func (export "accept")
    (call $errno
      (call $sock_accept
        (i32.wrap_i64 (call $input_load_u64 (i64.const 0))) (i32.const 0) (i32.const 128))))
  ;; How many bytes standard input holds.
  (func (export "read")
    (i32.store (i32.const 128) (i32.const 256))
    (i32.store (i32.const 132) (i32.const 64))
    (if (call $fd_read (i32.const 0) (i32.const 128) (i32.const 1) (i32.const 136))
      (then (unreachable)))
    (call $number (i64.load32_u (i32.const 136))))

  ;; Writes the input to a descriptor, as many times as it takes.
  (func $write (param $descriptor i32)
    (local $index i64)
    (local $at i32)
    (local $left i32)
    (local.set $left (i32.wrap_i64 (call $input_length)))
    (block $end
      (loop $next
        (br_if $end (i64.ge_u (local.get $index) (call $input_length)))
        (i32.store8
          (i32.add (i32.const 1024) (i32.wrap_i64 (local.get $index)))
          (call $input_load_u8 (local.get $index)))
        (local.set $index (i64.add (local.get $index) (i64.const 1)))
        (br $next)))
    (local.set $at (i32.const 1024))
    (block $end
      (loop $next
        (br_if $end (i32.eqz (local.get $left)))
        (i32.store (i32.const 128) (local.get $at))
        (i32.store (i32.const 132) (local.get $left))
        (if (call $fd_write (local.get $descriptor) (i32.const 128) (i32.const 1) (i32.const 136))
          (then (unreachable)))
        (local.set $at (i32.add (local.get $at) (i32.load (i32.const 136))))
        (local.set $left (i32.sub (local.get $left) (i32.load (i32.const 136))))
        (br $next))))
  (func (export "write_stdout") (call $write (i32.const 1)))
  (func (export "write_stderr") (call $write (i32.const 2)))
  (func (export "write_and_trap")
    (call $write (i32.const 1))
    (unreachable))
  (func (export "write_endless")
    (loop $forever
      (call $write (i32.const 1))
      (br $forever)))

  ;; Sleeps for an hour.
  (func (export "sleep")
    (i32.store8 (i32.const 136) (i32.const 0))
    (i32.store (i32.const 144) (i32.const 1))
    (i64.store (i32.const 152) (i64.const 3600000000000))
    (drop (call $poll_oneoff (i32.const 128) (i32.const 256) (i32.const 1) (i32.const 320))))

  (func (export "exit")
    (call $number (i64.const 42))
    (call $proc_exit (i32.wrap_i64 (call $input_load_u64 (i64.const 0)))))
  (func (export "exit_with_message")
    (local $handle i64)
    (local.set $handle (call $alloc (i64.const 2)))
    (call $store_u8 (local.get $handle) (i32.const 0x6e))
    (call $store_u8 (i64.add (local.get $handle) (i64.const 1)) (i32.const 0x6f))
    (call $error_set (local.get $handle))
    (call $proc_exit (i32.const 3))))
