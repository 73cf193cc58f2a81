;; The input is what is told.
(func (export "progress") (call $progress (call $input_offset)))
(func (export "log") (call $log (call $input_offset)))
(func (export "say") (call $log_warn (call $input_offset)))
(func (export "trace") (call $log_trace (call $input_offset)))

;; Tells it a thousand times.
(func (export "log_often") (local $left i32)
  (local.set $left (i32.const 1000))
  (loop $again
    (call $log (call $input_offset))
    (br_if $again (local.tee $left (i32.sub (local.get $left) (i32.const 1))))))

;; Three reports, in blocks of the module's own.
(data (i32.const 0) "{\"progress\":1}{\"progress\":0.5,\"total\":2}{\"progress\":1.5,\"total\":2,\"message\":\"m\"}")
(func (export "reports")
  (call $progress (call $block (i32.const 0) (i32.const 14)))
  (call $progress (call $block (i32.const 0) (i32.const 14)))
  (call $progress (call $block (i32.const 14) (i32.const 26)))
  (call $progress (call $block (i32.const 40) (i32.const 40))))

;; What is known of the requester.
(func (export "request") (local $handle i64)
  (local.set $handle (call $request))
  (call $output_set (local.get $handle) (call $length (local.get $handle))))

;; The level that is listened to, as its digit.
(func (export "level") (local $handle i64)
  (local.set $handle (call $alloc (i64.const 1)))
  (call $store_u8 (local.get $handle) (i32.add (i32.const 48) (call $get_log_level)))
  (call $output_set (local.get $handle) (i64.const 1)))

(func (export "release") (call $release))
