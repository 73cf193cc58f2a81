// Rolls dice. Shows a plugin in plain Go, with nothing but the standard library.
//
// The module is a WASI reactor: the host calls _initialize once, which starts Go's runtime, and then the export.
package main

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
)

const (
	maxFaces = 1_000_000
	maxDice  = 10_000
)

type arguments struct {
	NumFaces int `json:"numFaces"`
	NumDice  int `json:"numDice"`
}

// rollDice answers the sum of the dice as text.
//
//go:wasmexport rollDice
func rollDice() int32 {
	sum, err := roll(input())
	if err != nil {
		return fail(err.Error())
	}
	return succeed(fmt.Sprint(sum))
}

func roll(input []byte) (int, error) {
	var args arguments
	if err := json.Unmarshal(input, &args); err != nil {
		return 0, fmt.Errorf("the arguments are not right: %w", err)
	}
	if args.NumFaces < 1 || args.NumFaces > maxFaces {
		return 0, fmt.Errorf("numFaces must be from 1 to %d", maxFaces)
	}
	if args.NumDice < 1 || args.NumDice > maxDice {
		return 0, fmt.Errorf("numDice must be from 1 to %d", maxDice)
	}
	sum := 0
	for range args.NumDice {
		// The generator takes its seed from the host, anew in each instance.
		sum += rand.IntN(args.NumFaces) + 1
	}
	return sum, nil
}

// A reactor has no main of its own, but the compiler wants to see one.
func main() {}
