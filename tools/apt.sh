#!/usr/bin/env bash
# For other scripts to source: find the system packages that are missing, and install them where that is allowed
# (root or sudo). The script that sources this has a function `fail`, which says what is wrong and exits.

missing=()
need() { # need PACKAGE TEST...: the package is missing when the test fails
  local package=$1
  shift
  "$@" >/dev/null 2>&1 || missing+=("$package")
}

install_missing() { # install_missing NAME: NAME stands in front of what is said
  [ ${#missing[@]} -gt 0 ] || return 0
  local install=(apt-get install -y -q --no-install-recommends "${missing[@]}") as_root=()
  command -v apt-get >/dev/null || fail "please install: ${missing[*]}"
  if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null || fail "please run as root: ${install[*]}"
    as_root=(sudo)
  fi
  echo "$1: installing ${missing[*]}"
  "${as_root[@]}" apt-get update -q >/dev/null
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive "${install[@]}" >/dev/null ||
    fail "could not install ${missing[*]}"
  missing=()
}
