// The few functions of the Extism ABI that these tools need. Text crosses the border as UTF-8, and lengths are in bytes.

// @ts-ignore: decorator
@external("extism:host/env", "input_length")
declare function input_length(): u64;
// @ts-ignore: decorator
@external("extism:host/env", "input_load_u8")
declare function input_load_u8(offset: u64): u32;
// @ts-ignore: decorator
@external("extism:host/env", "alloc")
declare function alloc(length: u64): u64;
// @ts-ignore: decorator
@external("extism:host/env", "store_u8")
declare function store_u8(offset: u64, byte: u32): void;
// @ts-ignore: decorator
@external("extism:host/env", "output_set")
declare function output_set(offset: u64, length: u64): void;
// @ts-ignore: decorator
@external("extism:host/env", "error_set")
declare function error_set(offset: u64): void;

/** The arguments of the call, as JSON. */
export function input(): string {
  const bytes = new Uint8Array(i32(input_length()));
  for (let i = 0; i < bytes.length; i++) {
    bytes[i] = u8(input_load_u8(i));
  }
  return String.UTF8.decode(bytes.buffer);
}

/** Answers the call. To be returned from the exported function. */
export function succeed(text: string): i32 {
  const bytes = encode(text);
  output_set(toHost(bytes), bytes.length);
  return 0;
}

/** Ends the call with an error of the plugin. To be returned from the exported function. */
export function fail(message: string): i32 {
  error_set(toHost(encode(message)));
  return 1;
}

/** AssemblyScript calls this where it cannot go on (`--use abort=extism/abort`): the message reaches the caller, then the call traps. */
export function abort(message: string | null, file: string | null, line: u32, column: u32): void {
  fail(message === null ? "aborted" : message);
  unreachable();
}

/** UTF-8, with U+FFFD for half a surrogate pair. */
export function encode(text: string): Uint8Array {
  return Uint8Array.wrap(String.UTF8.encode(text, false, String.UTF8.ErrorMode.REPLACE));
}

function toHost(bytes: Uint8Array): u64 {
  const offset = alloc(bytes.length);
  for (let i = 0; i < bytes.length; i++) {
    store_u8(offset + i, bytes[i]);
  }
  return offset;
}
