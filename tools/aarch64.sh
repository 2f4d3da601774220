#!/usr/bin/env bash
# Runs the C++ tests and the Python package as a Raspberry Pi would, under emulation, and compares every frame and
# decision with this machine's. What it downloads is kept in build/aarch64, so a second run takes seconds.
set -euo pipefail
cd "$(dirname "$0")/.."
root=$PWD

usage() {
  cat <<'END'
usage: tools/aarch64.sh [--python 3.11|3.13] [--cpu MODEL]... [--bundle FILE]...

  --python VERSION  default: 3.11 (Debian 12's, and so Raspberry Pi OS 12's); 3.13 is Debian 13's
  --cpu MODEL       default: cortex-a72 (Raspberry Pi 4) and cortex-a76 (Raspberry Pi 5)
  --bundle FILE     run this bundle on both machines, too, by ONNX Runtime or LiteRT, in float or in 8 bits;
                    default: the built-in one alone

Debian packages for ARM come from the mirror that this machine's apt uses, or from ASC_EDGE_DEBIAN_MIRROR; Python
packages from where pip is told to look. Nothing but the compiler is installed on this machine.
END
}
fail() {
  echo "aarch64: error: $*" >&2
  exit 1
}
say() { echo "aarch64: $SECONDS s: $*"; }
# shellcheck source=tools/apt.sh
. tools/apt.sh

python=3.11
cpus=()
bundles=()
extra=
while [ $# -gt 0 ]; do
  case $1 in
    --python | --cpu | --bundle) [ $# -ge 2 ] || fail "$1 needs a value" ;;&
    --python) python=$2 && shift ;;
    --cpu) cpus+=("$2") && shift ;;
    --bundle)
      [ -f "$2" ] || fail "there is no bundle '$2'"
      # LiteRT comes along with the first, whether this one needs it or not.
      bundles+=(--bundle "$(realpath "$2")") && extra=[tflite] && shift
      ;;
    -h | --help) usage && exit 0 ;;
    *) fail "unknown option '$1'; see tools/aarch64.sh --help" ;;
  esac
  shift
done
[ ${#cpus[@]} -gt 0 ] || cpus=(cortex-a72 cortex-a76)
machine=$(uname -m)
[ "$machine" = x86_64 ] || fail "this is a $machine machine; on an ARM machine 'make test' says more"
case $python in
  3.11) suite=bookworm ;;
  3.13) suite=trixie ;;
  *) fail "no Debian has Python '$python' for ARM; choose 3.11 or 3.13" ;;
esac

has_keys() { compgen -G "/usr/share/keyrings/debian-archive-keyring.*"; }
need g++ command -v g++
need g++-aarch64-linux-gnu command -v aarch64-linux-gnu-g++
need doctest-dev test -f /usr/include/doctest/doctest.h
need debian-archive-keyring has_keys
install_missing aarch64
command -v apt-get >/dev/null || fail "needs apt-get, to fetch Debian's packages for ARM"

work=$root/build/aarch64
mkdir -p "$work"
# One run at a time: two would clear each other's folders.
exec 9>"$work/lock"
flock -n 9 || fail "another run is under way"
scratch=$(mktemp -d "$work/scratch.XXXXXX")
finish() {
  local running
  running=$(jobs -p)
  # shellcheck disable=SC2086  # one word for each process
  [ -z "$running" ] || kill $running 2>/dev/null || true
  rm -rf "$scratch"
}
trap finish EXIT

# Where this machine's own packages come from, as apt itself understands its configuration.
# shellcheck disable=SC2016  # the fields are apt's
mirror() {
  apt-get indextargets --format '$(CREATED_BY) $(COMPONENT) $(RELEASE) $(REPO_URI)' 2>/dev/null |
    awk -v releases='^(bookworm|trixie|forky|sid|oldstable|stable|testing)$' \
      '$1 == "Packages" && $2 == "main" && $3 ~ releases && !found++ {print $4}'
}
# apt with its own sources, lists and cache for one suite and architecture; the system's are neither read nor written.
declare -A updated
private_apt() { # private_apt SUITE ARCH COMMAND...
  local suite=$1 arch=$2 folder=$scratch/apt-$1-$2 uri=${ASC_EDGE_DEBIAN_MIRROR:-$(mirror)} options keyring
  shift 2
  [ -n "$uri" ] || fail "apt knows no Debian mirror here; set ASC_EDGE_DEBIAN_MIRROR to the address of one"
  keyring=$(has_keys | head -n 1)
  options=(-qq -o APT::Architecture="$arch" -o APT::Architectures::="$arch" -o APT::Sandbox::User="$(id -un)"
    -o Acquire::Languages=none -o Acquire::Retries=3 -o Dir::State::lists="$folder/lists" -o Dir::State::status=/dev/null
    -o Dir::Cache="$folder/cache" -o Dir::Etc::sourcelist="$folder/sources.list" -o Dir::Etc::sourceparts=/dev/null
    -o Dir::Etc::preferencesparts=/dev/null)
  if [ -z "${updated[$suite-$arch]:-}" ]; then
    mkdir -p "$folder/lists/partial" "$folder/cache/archives/partial"
    echo "deb [signed-by=$keyring] $uri $suite main" >"$folder/sources.list"
    apt-get "${options[@]}" update >"$scratch/apt.log" 2>&1 ||
      fail "could not read the list of $suite's packages for $arch: $(tail -n 1 "$scratch/apt.log")"
    updated[$suite-$arch]=yes
  fi
  apt-get "${options[@]}" "$@" >"$scratch/apt.log" 2>&1 ||
    fail "could not fetch $suite's packages for $arch: $(tail -n 1 "$scratch/apt.log")"
}

# Debian 12's own emulator crashes in current inference engines, Debian 13's doesn't. It is one static file.
qemu=$work/qemu-aarch64
if [ ! -x "$qemu" ]; then
  say "fetching the emulator (Debian 13's qemu)"
  private_apt trixie "$(dpkg --print-architecture)" install -y --download-only --no-install-recommends qemu-user
  dpkg-deb --fsys-tarfile "$scratch"/apt-trixie-*/cache/archives/qemu-user_*.deb |
    tar -x --to-stdout ./usr/bin/qemu-aarch64 >"$scratch/qemu-aarch64"
  chmod +x "$scratch/qemu-aarch64"
  mv "$scratch/qemu-aarch64" "$qemu"
fi

# What a Pi has below Python, unpacked and never installed: the emulator looks for libraries there.
system=$work/root-$suite
if [ ! -d "$system" ]; then
  say "fetching Python $python for ARM (Debian's $suite)"
  private_apt "$suite" arm64 install -y --download-only --no-install-recommends "python$python" libstdc++6
  mkdir -p "$scratch/root/usr/lib" "$scratch/root/usr/bin" "$scratch/root/usr/sbin"
  ln -s usr/lib usr/bin usr/sbin "$scratch/root/"
  for package in "$scratch/apt-$suite-arm64"/cache/archives/*.deb; do
    dpkg-deb --fsys-tarfile "$package" | tar -x --keep-directory-symlink --no-same-owner -C "$scratch/root"
  done
  mv "$scratch/root" "$system"
fi
export QEMU_LD_PREFIX=$system

tools/wheels.sh --python "$python" --no-smoke
version=$(sed -n 's/^__version__ = "\(.*\)"$/\1/p' python/asc_edge/version.py)
own_wheel() { echo dist/asc_edge-"$version-cp${python/./}"-*"_$1.whl"; }

# The same versions of everything on both sides.
host=$work/host-$python${extra:+-tflite}
tools=$root/build/wheels/tools-$python
pip() { "$tools/bin/python" -m pip --disable-pip-version-check "$@"; }
"$tools/bin/python" -m zipfile -e "$(own_wheel x86_64)" "$scratch/x86_64"
requires=$(grep -h '^Requires-Dist' "$scratch"/x86_64/*.dist-info/METADATA)
if [ "$(cat "$host/.ready" 2>/dev/null)" != "$requires" ]; then
  say "installing the wheel and what it needs on this machine"
  rm -rf "$host"
  "$tools/bin/python" -m venv "$host"
  "$host/bin/python" -m pip install -q --disable-pip-version-check --only-binary=:all: "$(own_wheel x86_64)$extra"
  "$host/bin/python" -m pip freeze --exclude asc-edge >"$host/packages.txt"
  echo "$requires" >"$host/.ready"
fi
"$host/bin/python" -m pip install -q --disable-pip-version-check --no-deps --force-reinstall "$(own_wheel x86_64)"

for_arm=(install -q --no-deps --no-compile --only-binary=:all: --implementation cp --python-version "$python")
for tag in manylinux_2_{34,31,28,27,24,17}_aarch64 manylinux2014_aarch64; do
  for_arm+=(--platform "$tag")
done
packages=$work/packages-$python-$(sha256sum "$host/packages.txt" | cut -c -12)
if [ ! -d "$packages" ]; then
  say "fetching the same packages for ARM"
  pip "${for_arm[@]}" --target "$scratch/packages" -r "$host/packages.txt" ||
    fail "a package is not to be had for ARM in the version of this machine; see $host/packages.txt"
  mv "$scratch/packages" "$packages"
fi
# pip takes our wheel by its platform tag, as it would on a Pi.
pip "${for_arm[@]}" --target "$scratch/own" "$(own_wheel aarch64)"

say "building the C++ tests"
mkdir -p "$work/include"
# The compiler for ARM must not see the rest of this machine's headers.
ln -sfn /usr/include/doctest "$work/include/doctest"
PATH=$tools/bin:$PATH cmake -S . -B "$work/cpp" -G Ninja -DCMAKE_TOOLCHAIN_FILE="$root/tools/cross/aarch64.cmake" \
  -DCMAKE_CROSSCOMPILING_EMULATOR="$qemu" -DCMAKE_DISABLE_FIND_PACKAGE_doctest=ON \
  -DDOCTEST_INCLUDE_DIR="$work/include" -DASC_EDGE_PYTHON=OFF -DASC_EDGE_TESTS=ON -DASC_EDGE_WERROR=ON >/dev/null ||
  fail "the C++ tests can't be configured for ARM"
PATH=$tools/bin:$PATH cmake --build "$work/cpp" >"$scratch/build.log" || {
  grep -A 20 FAILED "$scratch/build.log" >&2
  fail "the C++ tests don't build for ARM"
}

"$host/bin/python" tools/cross/measure.py inputs "$scratch/inputs.npz"
"$host/bin/python" tools/cross/measure.py run "$scratch/inputs.npz" "$scratch/host.npz" "${bundles[@]}"
for cpu in "${cpus[@]}"; do
  QEMU_CPU=$cpu "$qemu" "$system/usr/bin/python$python" -c '' || fail "the emulator can't be a $cpu"
done

# The compiler asks for no more than every 64-bit ARM processor has, so one model stands for all.
say "running the C++ tests on a ${cpus[0]}"
PATH=$tools/bin:$PATH QEMU_CPU=${cpus[0]} ctest --test-dir "$work/cpp" --output-on-failure --no-tests=error \
  -j "$(nproc)" >"$scratch/ctest.log" || {
  cat "$scratch/ctest.log" >&2
  fail "C++ tests fail on a ${cpus[0]}"
}
grep 'tests passed' "$scratch/ctest.log"

# The inference engine, however, chooses its kernels by the processor.
say "computing frames and decisions on a ${cpus[*]}"
running=()
for cpu in "${cpus[@]}"; do
  PYTHONPATH=$scratch/own:$packages PYTHONNOUSERSITE=1 OPENBLAS_NUM_THREADS=1 QEMU_CPU=$cpu \
    "$qemu" "$system/usr/bin/python$python" tools/cross/measure.py run "$scratch/inputs.npz" "$scratch/$cpu.npz" \
    "${bundles[@]}" >"$scratch/$cpu.log" 2>&1 &
  running+=($!)
done
for index in "${!cpus[@]}"; do
  cpu=${cpus[index]}
  wait "${running[index]}" || {
    cat "$scratch/$cpu.log" >&2
    fail "the package doesn't run on a $cpu"
  }
  say "this machine's answers, and those of a $cpu:"
  "$host/bin/python" tools/cross/compare.py "$scratch/host.npz" "$scratch/$cpu.npz" --machine aarch64 ||
    fail "a $cpu comes to other answers than this machine"
done
say "all frames and decisions are this machine's: ${cpus[*]}"
