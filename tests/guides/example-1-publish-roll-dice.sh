#!/bin/bash
# Step 1: Create a directory for your plugin
mkdir -p roll-dice
cd roll-dice
# Step 2: Create go.mod file
cat > go.mod << 'EOF'
module wasimancer-plugin-roll-dice
go 1.23.0
require github.com/extism/go-pdk v1.1.1
EOF
# Step 3: Create main.go file
cat > main.go << 'EOF'
package main
import (
	"encoding/json"
	"math/rand"
	"strconv"
	"github.com/extism/go-pdk"
)
type Arguments struct {
	NumFaces int `json:"numFaces"`
	NumDice int `json:"numDice"`
}
//export rollDice
func rollDice() {
	arguments := pdk.InputString()
	var args Arguments
	json.Unmarshal([]byte(arguments), &args)
	numFaces := args.NumFaces
	numDice := args.NumDice
	sum := 0
	for i := 0; i < numDice; i++ {
		dieValue := rand.Intn(numFaces) + 1
		sum += dieValue
	}
	pdk.OutputString(strconv.Itoa(sum))
}
func main() {}
EOF
# Step 4: Compile the plugin
docker run --rm -v "$PWD":/roll-dice -w /roll-dice k33g/wasm-builder:0.0.7 \
  tinygo build -scheduler=none --no-debug \
  -o wasimancer-plugin-roll-dice.wasm \
  -target wasi main.go
# Step 5: Create publish script
cat > publish.sh << 'EOF'
#!/bin/bash
TOKEN="wasimancer-rocks"
UPLOAD_ENDPOINT="http://localhost:3001/upload-plugin"
WASM_FILE="./wasimancer-plugin-roll-dice.wasm"
read -r -d '' DATA <<- EOM
{
  "name": "roll-dice",
  "path": "./bucket/wasimancer-plugin-roll-dice.wasm",
  "version": "1.0.0",
  "description": "roll dice",
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
      "description": "a function to roll dice"
    }
  ]
}
EOM
curl -X POST ${UPLOAD_ENDPOINT} \
  -H "Authorization: Bearer ${TOKEN}" \
  -F "wasmFile=@${WASM_FILE}" \
  -F "pluginData=${DATA}"
EOF
# Step 6: Make the script executable and run it
chmod +x publish.sh
./publish.sh
