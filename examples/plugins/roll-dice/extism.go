package main

// The few functions of the Extism ABI that this plugin needs. A block of the host's memory is known by its offset.

//go:wasmimport extism:host/env input_length
func inputLength() uint64

//go:wasmimport extism:host/env input_load_u8
func inputLoadU8(offset uint64) uint32

//go:wasmimport extism:host/env alloc
func alloc(length uint64) uint64

//go:wasmimport extism:host/env store_u8
func storeU8(offset uint64, value uint32)

//go:wasmimport extism:host/env output_set
func outputSet(offset, length uint64)

//go:wasmimport extism:host/env error_set
func errorSet(offset uint64)

// input is what the host passes to the call: the arguments as a JSON object.
func input() []byte {
	bytes := make([]byte, inputLength())
	for i := range bytes {
		bytes[i] = byte(inputLoadU8(uint64(i)))
	}
	return bytes
}

// succeed answers the call. An export returns what it returns.
func succeed(text string) int32 {
	outputSet(toHost(text), uint64(len(text)))
	return 0
}

// fail ends the call with an error of the plugin. An export returns what it returns.
func fail(message string) int32 {
	errorSet(toHost(message))
	return 1
}

func toHost(text string) uint64 {
	offset := alloc(uint64(len(text)))
	for i := range len(text) {
		storeU8(offset+uint64(i), uint32(text[i]))
	}
	return offset
}
