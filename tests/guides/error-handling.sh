response=$(curl -s -w "\n%{http_code}" -X POST ${UPLOAD_ENDPOINT} \
  -H "Authorization: Bearer ${TOKEN}" \
  -F "wasmFile=@${WASM_FILE}" \
  -F "pluginData=${DATA}")
http_code=$(echo "$response" | tail -n1)
response_body=$(echo "$response" | sed '$d')
if [ "$http_code" -ne 200 ]; then
  echo "Error: $response_body"
  exit 1
fi
echo "Success: $response_body"
