;; What a plugin tells its requester. These imports stand before those of the prelude.
(import "wasimancer:host/env" "request" (func $request (result i64)))
(import "wasimancer:host/env" "progress" (func $progress (param i64)))
(import "wasimancer:host/env" "log" (func $log (param i64)))
(import "wasimancer:host/env" "release" (func $release))
