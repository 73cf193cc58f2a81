#!/bin/bash
# Step 1: Update the main.go file
cat > main.go << 'EOF'
package main
import (
	"encoding/json"
	"math/rand"
	"time"
	"github.com/extism/go-pdk"
)
type Arguments struct {
	NumFaces int `json:"numFaces"`
	NumDice int `json:"numDice"`
}
type Result struct {
	Total int `json:"total"`
	Values []int `json:"values"`
}
//export rollDice
func rollDice() {
	// Initialize random with time seed
	rand.Seed(time.Now().UnixNano())
	// Get input arguments
	arguments := pdk.InputString()
	var args Arguments
	json.Unmarshal([]byte(arguments), &args)
	// Roll dice and track individual values
	values := make([]int, args.NumDice)
	total := 0
	for i := 0; i < args.NumDice; i++ {
		values[i] = rand.Intn(args.NumFaces) + 1
		total += values[i]
	}
	// Create and return result
	result := Result{
		Total: total,
		Values: values,
	}
	jsonResult, _ := json.Marshal(result)
	pdk.OutputString(string(jsonResult))
}
func main() {}
EOF
# Step 2: Recompile the plugin
docker run --rm -v "$PWD":/roll-dice -w /roll-dice k33g/wasm-builder:0.0.7 \
  tinygo build -scheduler=none --no-debug \
  -o wasimancer-plugin-roll-dice.wasm \
  -target wasi main.go
# Step 3: Create update script
cat > update.sh << 'EOF'
#!/bin/bash
TOKEN="wasimancer-rocks"
UPDATE_ENDPOINT="http://localhost:3001/update-plugin"
WASM_FILE="./wasimancer-plugin-roll-dice.wasm"
read -r -d '' DATA <<- EOM
{
  "name": "roll-dice",
  "path": "./bucket/wasimancer-plugin-roll-dice.wasm",
  "version": "1.1.0",
  "description": "enhanced dice rolling with detailed results",
  "functions": [
    {
      "displayName": "rollDice",
      "function": "rollDice",
      "arguments": [
        {
          "name": "numFaces",
          "type": "number",
          "description": "number of faces on the dice"
        },
        {
          "name": "numDice",
          "type": "number",
          "description": "number of dice to roll"
        }
      ],
      "description": "a function to roll dice and get detailed results"
    }
  ]
}
EOM
curl -X PUT ${UPDATE_ENDPOINT} \
  -H "Authorization: Bearer ${TOKEN}" \
  -F "wasmFile=@${WASM_FILE}" \
  -F "pluginData=${DATA}"
EOF
# Step 4: Make the script executable and run it
chmod +x update.sh
./update.sh
