#!/usr/bin/env bash
# Runs, for real, every command with which the documentation changes what a server serves: the README's section "Publish
# a plugin", whose output must be what it shows; docs/deploy-plugin.yml; and the scripts of the two guides that the API
# keeps to, which are copied to tests/guides.
#
#   scripts/readme.sh PATH_OF_THE_BINARY
#
# Prints a line for each part. The environment variable GUIDES may name the folder of the guides, with whose scripts the
# copies are then compared. Everything that is written is kept in target/readme/, the logs in target/readme/logs/.
# Installs what is missing on Debian: clang, lld, curl, jq and python3.
set -euo pipefail

root=$(cd "$(dirname "$0")/.." && pwd)
source "$root/scripts/lib/tools.sh"
guides=$root/tests/guides
work=$root/target/readme
logs=$work/logs
source "$root/scripts/lib/servers.sh"

[ $# -eq 1 ] || tools_die "usage: ${0##*/} PATH_OF_THE_BINARY"
[ -x "$1" ] || tools_die "$1 is not an executable file"
binary=$(realpath "$1")
[ -z "${GUIDES:-}" ] || [ -d "$GUIDES" ] || tools_die "GUIDES: $GUIDES is not a folder"

want_program clang clang
want_program wasm-ld lld
want_program curl curl
want_program jq jq
want_program python3 python3

rm -rf "$work"
mkdir -p "$logs" "$work/bin" "$work/readme" "$work/guides" "$work"/guides-home/{plugins,resources,prompts}
# What the caller configures for a server of their own is not for these.
unset "${!WASIMANCER_@}" "${!WASM_@}" HTTP_PORT PORT PLUGINS_PATH RESOURCES_PATH PROMPTS_PATH
unset UPLOAD_PATH UPLOAD_LIMIT ADMIN_ADDRESS
# All of them are on this machine, whatever proxies it has.
export NO_PROXY='127.0.0.1,localhost' no_proxy='127.0.0.1,localhost'

ln -s "$binary" "$work/bin/wasimancer"
export PATH=$work/bin:$PATH

# serve NAME HOME: starts a server, and sets `server` to its address without the path.
serve() {
  start "$1" "$endpoint_announced" "$binary" serve --home "$2" --http-port 0
  server=${announced%/mcp}
}

# ask METHOD PARAMS: what an MCP client is answered.
ask() {
  curl -q -sS "$server/mcp" -H "Authorization: Bearer $WASIMANCER_AUTHENTICATION_TOKEN" \
    -H 'Content-Type: application/json' -d "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"$1\",\"params\":$2}"
}

# same WHAT EXPECTED ACTUAL: both must be the same JSON.
same() {
  local expected actual
  expected=$(jq -cS . <<<"$2")
  actual=$(jq -cS . <<<"$3") || tools_die "$1: this is no JSON: $3"
  [ "$expected" = "$actual" ] || tools_die "$1: expected"$'\n'"$expected"$'\n'"and found"$'\n'"$actual"
}

# holds WHAT JSON FILTER: the filter of jq must find the JSON right.
holds() {
  jq -e "$3" <<<"$2" >/dev/null || tools_die "$1: $3 does not hold of"$'\n'"$2"
}

# ---- The README

# Its first command leaves it to cargo what to start. It would compile everything once more here, so cargo is asked.
started=$(cargo metadata --no-deps --locked --format-version 1 --manifest-path "$root/Cargo.toml" | jq -r '
  .workspace_default_members as $members | .packages[] | select(.id | IN($members[])) | .targets[]
  | select(.kind == ["bin"]) | .name')
[ "$started" = wasimancer ] || tools_die "cargo run chooses from ${started:-nothing}, and not the server"
echo "cargo run starts the server"

cp -r "$root/examples" "$work/readme/examples"
export WASIMANCER_AUTHENTICATION_TOKEN=a-token-of-the-test WASIMANCER_ADMIN_TOKEN=another-token-of-the-test
cd "$work/readme"
serve readme examples
python3 "$root/scripts/lib/transcript.py" "$root/README.md" "Publish a plugin" "http://localhost:3001=$server" ||
  tools_die "the README does not show what its commands print"
# What was published is gone without a trace in what the user wrote.
diff -r --exclude=bucket "$root/examples" examples || tools_die "the home is not what it was"

# ---- The workflow, with the plugin of the README

checkout=$work/checkout
mkdir -p "$checkout/plugins/shout" "$checkout/scripts"
cp shout.c shout.json "$checkout/plugins/shout"
cp "$root/scripts/publish-plugin.sh" "$checkout/scripts"
cd "$checkout"

# deploy TOKEN: runs the workflow, and prints what the server answers.
deploy() {
  WASIMANCER_URL=$server WASIMANCER_TOKEN=$1 \
    python3 "$root/scripts/lib/workflow.py" "$root/docs/deploy-plugin.yml" >"$logs/deploy.stdout" 2>"$logs/deploy.stderr" ||
    return
  grep '^{' "$logs/deploy.stdout"
}

# deployed VERSION TEXT: the workflow publishes the version, after a dry run, and the tool says the text.
deployed() {
  local answers
  answers=$(deploy "$WASIMANCER_ADMIN_TOKEN") || tools_die "the workflow failed:"$'\n'"$(cat "$logs"/deploy.std*)"
  answers=$(jq -s . <<<"$answers")
  holds "the workflow" "$answers" "length == 2 and all(.metadata.version == \"$1\")"
  holds "the workflow's dry run" "$answers" '.[0].dryRun and (.[0].changes.tools | .added + .altered) == ["shout"]'
  holds "the workflow's publication" "$answers" '.[1].message == "🎉 File uploaded successfully"'
  same "the tool of the workflow" "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{\"content\":[{\"type\":\"text\",\"text\":\"$2\"}]}}" \
    "$(ask tools/call '{"name":"shout","arguments":{"text":"hello"}}')"
}

deployed 1.1.0 'HELLO!'
sed -i 's/after\[\] = "/&!/' plugins/shout/shout.c
sed -i 's/1\.1\.0/1.2.0/' plugins/shout/shout.json
deployed 1.2.0 'HELLO!!'

# refused TEXT TOKEN: the workflow fails, and says so.
refused() {
  if deploy "$2" >/dev/null || ! grep -qF "$1" "$logs/deploy.stderr"; then
    tools_die "the workflow did not fail with $1:"$'\n'"$(cat "$logs"/deploy.std*)"
  fi
}
refused 'error 403: {"error":"😡 Unauthorized"' a-wrong-token
sed -i 's/"function": "shout"/"function": "whisper"/' plugins/shout/shout.json
refused 'error 500: {"error":"😡 ' "$WASIMANCER_ADMIN_TOKEN"
echo "docs/deploy-plugin.yml uploads, updates, and fails when it must"

# ---- The guides. Their scripts name this token, and an address that is replaced.

export WASIMANCER_ADMIN_TOKEN=wasimancer-rocks
serve guides "$work/guides-home"
cd "$work/guides"
cp "$root/examples/plugins/character-names/character-names.wasm" character-name-generator.wasm
for script in "$guides"/*.sh; do
  sed "s|http://localhost:3001|$server|" "$script" >"${script##*/}"
done
# curl tells the status on standard error, unless a script asks for it.
export CURL_HOME=$work/guides
printf 'silent\nshow-error\nwrite-out = "%%{stderr}status %%{http_code}\\n"\n' >.curlrc
# The guide builds its plugin with TinyGo in a container. The project's own has the same interface.
cat >"$work/bin/docker" <<DOCKER
#!/bin/sh
cp '$root/examples/plugins/roll-dice/roll-dice.wasm' wasimancer-plugin-roll-dice.wasm
DOCKER
chmod +x "$work/bin/docker"

# run STATUS SCRIPT: runs a script, which must be answered with the status, and sets `body` to the answer.
ran=0
run() {
  local log=$logs/guides-$2.stderr
  body=$(bash "$2.sh" 2>"$log") || tools_die "$2.sh failed: $(cat "$log")"
  [ "$(cat "$log")" = "status $1" ] || tools_die "$2.sh: expected status $1, and found $(cat "$log"): $body"
  ran=$((ran + 1))
}

# run_refused STATUS CODE SCRIPT
run_refused() {
  run "$1" "$3"
  holds "$3.sh" "$body" '(keys == ["code", "error"]) and (.error | startswith("😡 "))'
  holds "$3.sh" "$body" ".code == \"$2\""
}

# sent SCRIPT: the JSON that a script sends.
sent() { bash -c 'curl() { :; }; source "$1"; printf %s "$DATA"' - "$1"; }

# published SCRIPT FILE FILE_WITH_THE_DATA: runs a script that publishes a plugin, and checks the answer.
published() {
  run 200 "$1"
  same "$1.sh" "$(jq -c --arg path "./bucket/$2" \
    '{message: "🎉 File uploaded successfully", filePath: $path, metadata: .}' <<<"$(sent "$3")")" "$body"
}

# tool NAME DESCRIPTION: what the list of tools must say of it; nothing where it says nothing.
tool() {
  holds "the list of tools" "$(ask tools/list '{}')" "[.result.tools[] | select(.name == \"$1\").description] == [$2]"
}

# contents URI CONTENTS: what a client must read there.
contents() {
  same "$1" "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{\"contents\":$2}}" "$(ask resources/read "{\"uri\":\"$1\"}")"
}

published upload-plugin character-name-generator.wasm upload-plugin.sh
tool GenerateCharacterName '"a function to generate a character name"'
holds "the tool" "$(ask tools/call '{"name":"GenerateCharacterName","arguments":{}}')" \
  '.result.content[0].text | test("^[A-Z][a-z]+ [A-Z][a-z]+$")'
run_refused 400 name_taken upload-plugin

published update-plugin character-name-generator.wasm update-plugin.sh
tool GenerateCharacterName '"a function to generate an improved character name"'

run 200 remove-plugin
same remove-plugin.sh '{"message":"🙂 Plugin removed successfully"}' "$body"
tool GenerateCharacterName ''
run_refused 500 not_found remove-plugin
run_refused 500 not_found update-plugin

published example-1-publish-roll-dice wasimancer-plugin-roll-dice.wasm roll-dice/publish.sh
tool rollDice '"a function to roll dice"'
holds "the tool" "$(ask tools/call '{"name":"rollDice","arguments":{"numFaces":1,"numDice":3}}')" \
  '.result.content[0].text == "3"'
# It begins where the first one ended.
cp example-2-update-roll-dice.sh roll-dice
cd roll-dice
published example-2-update-roll-dice wasimancer-plugin-roll-dice.wasm update.sh
cd ..
tool rollDice '"a function to roll dice and get detailed results"'
run 200 example-3-remove-roll-dice
same example-3-remove-roll-dice.sh '{"message":"🙂 Plugin removed successfully"}' "$body"
tool rollDice ''

# A fragment, which follows the variables of the other scripts and asks for the status itself.
# handle_errors EXIT_STATUS WORD FILTER: what it prints must begin with the word, and the filter hold of the rest.
handle_errors() {
  local answer exit_status=0
  answer=$(bash -c 'curl() { :; }; source ./upload-plugin.sh; unset -f curl; source ./error-handling.sh') ||
    exit_status=$?
  [ "$exit_status ${answer%%: *}" = "$1 $2" ] || tools_die "error-handling.sh: exit status $exit_status: $answer"
  holds error-handling.sh "${answer#*: }" "$3"
  ran=$((ran + 1))
}
handle_errors 0 Success '.message == "🎉 File uploaded successfully"'
handle_errors 1 Error '.code == "name_taken"'

run 200 add-static-resource
same add-static-resource.sh "$(jq -c '{message: "🎉 Resource server-info added successfully", resource: .}' \
  <<<"$(sent add-static-resource.sh)")" "$body"
contents config://server-details \
  '[{"uri":"config://server-details","text":"Server configuration details","version":"1.0.0","environment":"production"}]'
run_refused 400 name_taken add-static-resource

run 200 add-dynamic-resource
same add-dynamic-resource.sh "$(jq -c '{message: "🎉 Resource welcome-message added successfully", resource: .}' \
  <<<"$(sent add-dynamic-resource.sh)")" "$body"
contents message://Ada/French \
  '[{"uri":"message://Ada/French","text":"Welcome Ada! You selected French as your preferred language."}]'

run 200 update-resource
same update-resource.sh "$(jq -c '{message: "🎉 Resource server-info updated successfully", oldType: "static",
  newType: "static", resource: .}' <<<"$(sent update-resource.sh)")" "$body"
contents config://server-details '[{"uri":"config://server-details","text":"Updated server configuration details",
  "version":"1.1.0","environment":"production","updatedAt":"2025-03-12"}]'

run 200 remove-resource
same remove-resource.sh '{"message":"🙂 Resource server-info removed successfully","type":"static"}' "$body"
holds "the list of resources" "$(ask resources/list '{}')" '.result.resources == []'
run_refused 404 not_found remove-resource
run_refused 404 not_found update-resource

sed -i 's/wasimancer-rocks/a-wrong-token/' ./*.sh
for script in upload-plugin update-plugin remove-plugin add-static-resource update-resource remove-resource; do
  run_refused 403 unauthorized "$script"
done
echo "the guides' scripts: $ran runs are answered as the guides say"

# ---- The copies

# words FILE…: the text with one space where it has any.
words() { cat "$@" | tr -s '[:space:]' ' '; }

if [ -n "${GUIDES:-}" ]; then
  text=$(words "$GUIDES"/*)
  for script in "$guides"/*.sh; do
    copied=$(words "$script")
    copied=${copied% }
    [[ $text == *"$copied"* ]] || tools_die "$script is no script of the guides"
    text=${text//"$copied"/}
  done
  [[ $text != *'curl -'* ]] || tools_die "the guides have a script that tests/guides lacks: …${text#*curl -}"
  echo "tests/guides holds every script of the guides"
fi
