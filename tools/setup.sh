#!/usr/bin/env bash
# Makes .venv ready: "setup.sh device" for running, "setup.sh dev" for training, testing and linting as well,
# "setup.sh safety" for tools/safety.sh, on top of dev.
# Installs the system packages that are missing where it may (root or sudo), and says which ones otherwise.
set -euo pipefail
cd "$(dirname "$0")/.."

wing=${1:?usage: tools/setup.sh device|dev|safety}
python=${PYTHON:-python3}

fail() {
  echo "setup: error: $*" >&2
  exit 1
}

case $wing in device | dev | safety) ;; *) fail "unknown wing '$wing'; use device, dev or safety" ;; esac
command -v "$python" >/dev/null || fail "$python not found; install Python 3.11, 3.12 or 3.13"
"$python" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' ||
  fail "$("$python" --version) is not supported; set PYTHON to a Python 3.11, 3.12 or 3.13"

# shellcheck source=tools/apt.sh
. tools/apt.sh
has_library() { /sbin/ldconfig -p | grep -q "$1"; }
# Debian splits these two off its own Python; any other Python brings them along.
need python3-venv "$python" -c 'import ensurepip'
need python3-dev "$python" -c 'import pathlib, sysconfig, sys
sys.exit(not (pathlib.Path(sysconfig.get_path("include")) / "Python.h").exists())'
need g++ command -v g++
need libportaudio2 has_library libportaudio.so.2
if [ "$wing" = dev ]; then
  need doctest-dev test -f /usr/include/doctest/doctest.h
  need pulseaudio command -v pulseaudio
  need pulseaudio-utils command -v pactl
  need mosquitto command -v mosquitto
  need chromium command -v chromium
  need systemd command -v systemd-analyze
  need openssl command -v openssl
  need libasound2-plugins sh -c 'ls /usr/lib/*/alsa-lib/libasound_module_pcm_pulse.so'
fi

if [ "$wing" = safety ]; then
  # RealtimeSanitizer came with clang 20; the runtime is a package of its own.
  need clang-22 command -v "${CLANG:-clang++-22}"
  need libclang-rt-22-dev sh -c 'ls /usr/lib/llvm-*/lib/clang/*/lib/*/libclang_rt.rtsan*.a'
fi

install_missing setup

[ -x .venv/bin/python ] || "$python" -m venv .venv
pip() { .venv/bin/python -m pip --disable-pip-version-check "$@"; }
if [ "$wing" = safety ]; then
  [ -e .venv/.ready-dev ] || fail "run 'tools/setup.sh dev' first"
  pip install -q -r tools/safety.txt
  touch .venv/.ready-safety
  exit
fi
echo "setup: installing asc-edge ($wing) into .venv"
if [ "$wing" = dev ]; then
  # First and alone: a range would be resolved to a newer build with several GB of CUDA.
  pip install -q torch==2.13.0
  pip install -q -e '.[dev]'
else
  pip install -q -e .
fi
touch .venv/.ready-device
# The development install holds all of the device's.
[ "$wing" = device ] || touch .venv/.ready-dev
