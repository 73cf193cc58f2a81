;; Guests of http_request. The input is the request's JSON.

(data (i32.const 0) "body of the guest")
(data (i32.const 32) "after it")

;; The body of the response.
(func (export "get")
  (call $output (call $http_request (call $input_offset) (i64.const 0))))
(func (export "post")
  (call $output
    (call $http_request (call $input_offset) (call $block (i32.const 0) (i32.const 17)))))
(func (export "status")
  (drop (call $http_request (call $input_offset) (i64.const 0)))
  (call $number (i64.extend_i32_u (call $http_status_code))))
(func (export "headers")
  (drop (call $http_request (call $input_offset) (i64.const 0)))
  (call $output (call $http_headers)))
;; The handle of an empty body.
(func (export "handle")
  (call $number (call $http_request (call $input_offset) (i64.const 0))))

(func (export "answer")
  (call $output (call $block (i32.const 32) (i32.const 8))))

;; As deep on its stack as the input is long, then a request without a host to reach.
(func $deep (param $depth i64)
  (if (i64.eqz (local.get $depth))
    (then (drop (call $http_request (call $input_offset) (i64.const 0))))
    (else (call $deep (i64.sub (local.get $depth) (i64.const 1)))))
  (global.set $top (i32.const 32768)))
(func (export "get_at_depth")
  (call $deep (i64.mul (call $input_length) (i64.const 16))))
