#!/usr/bin/env bash
# Runs the core where it may make no mistake unseen; see --help.
set -euo pipefail
cd "$(dirname "$0")/.."

usage() {
  cat <<'HELP'
usage: tools/safety.sh [--seconds N] [--target NAME] [JOB...]

Jobs, all of them when none is named:
  asan   AddressSanitizer and UndefinedBehaviorSanitizer: C++ tests, Python tests of the core's doors
  tsan   ThreadSanitizer: C++ tests, Python tests with threads
  rtsan  RealtimeSanitizer: the streaming path may not allocate, lock or call the system
  fuzz   libFuzzer and Atheris, under ASan and UBSan where the code is ours
  tidy   clang-tidy, warnings as errors

  --seconds N    how long to fuzz each target (default 60)
  --seed N       of the fuzzers' dice (default 1; 0 throws them anew)
  --target NAME  fuzz this target only: log_mel_stream, fft, fusion,
                 array_stats or bundle

Builds and findings lie in build/safety; what crashed a fuzz target lies in build/fuzz/NAME/, and
  build/safety/fuzz/cpp/fuzz/fuzz_NAME FILE
runs it again. CLANG=clang++-N chooses another clang (20 or newer).
HELP
}

fail() {
  echo "safety: error: $*" >&2
  exit 1
}

seconds=60
seed=1 # so that a run can be had again
targets=(log_mel_stream fft fusion array_stats bundle)
jobs=()
while [ $# -gt 0 ]; do
  case $1 in
  -h | --help) usage && exit 0 ;;
  --seconds) seconds=${2:?"--seconds needs a number"} && shift ;;
  --target) targets=("${2:?"--target needs a name"}") && shift ;;
  --seed) seed=${2:?--seed needs a number} && shift ;;
  asan | tsan | rtsan | fuzz | tidy) jobs+=("$1") ;;
  *) usage >&2 && exit 2 ;;
  esac
  shift
done
[ ${#jobs[@]} -gt 0 ] || jobs=(asan tsan rtsan fuzz tidy)
for target in "${targets[@]}"; do
  case $target in
  log_mel_stream | fft | fusion | array_stats | bundle) ;;
  *) fail "there is no fuzz target '$target'; see --help" ;;
  esac
done

bin=$PWD/.venv/bin
clang=${CLANG:-clang++-22}
[ -x "$bin/cmake" ] || fail "no .venv with the development tools; run 'make safety', which makes one"
for job in "${jobs[@]}"; do
  case $job in
  asan | rtsan | fuzz | tidy) command -v "$clang" >/dev/null || fail "$clang not found; run 'make safety', which installs it" ;;
  esac
done

build() { # build JOB COMPILER SANITIZERS [CMAKE OPTION...]: into build/safety/JOB
  local job=$1 compiler=$2 sanitizers=$3
  shift 3
  # -w: warnings are the business of 'make cpptest' and of the job tidy.
  "$bin/cmake" -S . -B "build/safety/$job" -G Ninja -DCMAKE_MAKE_PROGRAM="$bin/ninja" \
    -DCMAKE_CXX_COMPILER="$compiler" -DCMAKE_CXX_FLAGS=-w -DCMAKE_BUILD_TYPE=RelWithDebInfo \
    -DCMAKE_CXX_FLAGS_RELWITHDEBINFO="-O1 -g1" -DCMAKE_INTERPROCEDURAL_OPTIMIZATION=OFF \
    -DPython_EXECUTABLE="$bin/python" -Dpybind11_DIR="$("$bin/python" -m pybind11 --cmakedir)" \
    -DASC_EDGE_PYTHON=OFF -DASC_EDGE_SANITIZE="$sanitizers" "$@" >/dev/null
  "$bin/cmake" --build "build/safety/$job" -- --quiet
}

# A sanitizer that lets its canary live is not switched on, and would find nothing else either.
canary() { # canary JOB DEED
  if "build/safety/$1/cpp/tests/asc_edge_sanitizer_canary" "$2" >"build/safety/$1/canary.log" 2>&1; then
    fail "$1 did not see a deliberate '$2': $(tail -1 "build/safety/$1/canary.log")"
  fi
}

cpp_tests() {
  "$bin/ctest" --test-dir "build/safety/$1" --output-on-failure --no-tests=error ||
    fail "$1 found something in the C++ tests; see above"
}

# A package folder like the installed one, with another extension. The editable install, and with it its way of
# importing, is kept out by python -S, which reads no .pth files.
stage() { # stage JOB EXTENSION: into build/safety/JOB/stage
  rm -rf "build/safety/$1/stage"
  mkdir -p "build/safety/$1/stage/asc_edge"
  ln -s "$PWD"/python/asc_edge/* "$2" "build/safety/$1/stage/asc_edge/"
}
site=$("$bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')

python_tests() { # python_tests JOB LIBRARY TEST...
  local job=$1 library=$2 stage=$PWD/build/safety/$1/stage runner=()
  shift 2
  stage "$job" "$(echo "$PWD/build/safety/$job"/_core*.so)"
  # ThreadSanitizer can't place its shadow where addresses are too random.
  [ "$job" != tsan ] || ! setarch -R true 2>/dev/null || runner=(setarch -R)
  # libstdc++ comes along because the interpreter doesn't load it, and the sanitizers must find its throw.
  "${runner[@]}" env PYTHONPATH="$stage:$site:$PWD/tools" PYTHONMALLOC=malloc STAGE="$stage" \
    LD_PRELOAD="$library $(g++ -print-file-name=libstdc++.so.6)" \
    "$bin/python" -S -c '
import os, sys
import asc_edge._core, pytest
assert asc_edge._core.__file__.startswith(os.environ["STAGE"]), asc_edge._core.__file__
sys.exit(pytest.main(["-q", "--no-header", "--capture=sys", "-p", "no:cacheprovider", *sys.argv[1:]]))' "$@" ||
    fail "$job found something in the Python tests; see above"
}

job_asan() {
  # clang's, because GCC takes minutes for the kernels, which are one long loop unrolled; its runtime as a library of
  # its own, so that the interpreter can load it first.
  build asan "$clang" address,undefined -DASC_EDGE_TESTS=ON -DASC_EDGE_PYTHON=ON \
    -DCMAKE_CXX_FLAGS="-w -shared-libasan"
  local runtime
  runtime=$("$clang" -print-file-name="libclang_rt.asan-$(uname -m).so")
  export LD_LIBRARY_PATH=${runtime%/*}
  canary asan read_past_the_end
  canary asan overflow
  export UBSAN_OPTIONS=print_stacktrace=1 ASAN_OPTIONS=allow_addr2line=1
  cpp_tests asan
  # The interpreter ends without giving everything back, so leaks don't end the run; those with a function of
  # ours on their stack do.
  rm -f build/safety/asan/leaks.*
  ASAN_OPTIONS=detect_leaks=1:allocator_may_return_null=1:allow_addr2line=1 \
    LSAN_OPTIONS=exitcode=0:log_path="$PWD/build/safety/asan/leaks" \
    python_tests asan "$runtime" tests/test_core_*.py tests/test_frontend*.py tests/test_fusion.py
  if grep -h -B8 -A8 -E 'asc_edge::|pybind11::|_core\.' build/safety/asan/leaks.* 2>/dev/null; then
    fail "asan found memory of ours that was never given back; see above"
  fi
}

job_tsan() {
  build tsan g++ thread -DASC_EDGE_TESTS=ON -DASC_EDGE_PYTHON=ON
  canary tsan race
  cpp_tests tsan
  TSAN_OPTIONS=halt_on_error=1 python_tests tsan "$(g++ -print-file-name=libtsan.so)" tests/test_core_threads.py
}

job_rtsan() {
  build rtsan "$clang" realtime -DASC_EDGE_TESTS=ON
  canary rtsan allocate
  cpp_tests rtsan
}

seeds() { # seeds FOLDER: random bytes, which every target takes as they are, the same on every machine
  mkdir -p "$1"
  "$bin/python" - "$1" <<'PY'
import pathlib, random, sys
for number, length in enumerate((16, 64, 256, 1024, 4096) * 8):
    pathlib.Path(sys.argv[1], f"seed-{number}").write_bytes(random.Random(number).randbytes(length))
PY
}

fuzz_one() { # fuzz_one TARGET: prints its findings, or one line
  local target=$1 log=build/fuzz/$1.log program=(build/safety/fuzz/cpp/fuzz/fuzz_"$1")
  if [ "$target" = bundle ]; then
    "$bin/python" -c 'import atheris' 2>/dev/null || { echo "safety: fuzz bundle: skipped, there is no Atheris here" && return; }
    stage fuzz-bundle "$("$bin/python" -c 'import asc_edge._core as core; print(core.__file__)')"
    program=(env PYTHONPATH="$PWD/build/safety/fuzz-bundle/stage:$site" "$bin/python" -S tests/fuzz/fuzz_bundle.py)
  fi
  mkdir -p "build/fuzz/$target"
  seeds "build/fuzz/corpus/$target"
  # The library looks at RSS now and then and at the time of each input: 1 GiB, 20 s.
  if "${program[@]}" -seed="$seed" -max_total_time="$seconds" -timeout=20 -rss_limit_mb=1024 -max_len=16384 \
    -artifact_prefix="build/fuzz/$target/" -print_final_stats=1 "build/fuzz/corpus/$target" >"$log" 2>&1; then
    echo "safety: fuzz $target: $(sed -n 's/^stat::number_of_executed_units: *//p' "$log") inputs, nothing found"
  else
    grep -vE '^#[0-9]+' "$log" | tail -60
    echo "safety: fuzz $target: FOUND SOMETHING; the input lies in build/fuzz/$target/, the log in $log"
    return 1
  fi
}

job_fuzz() {
  local bad=0 running=0 target
  if [ "${targets[*]}" != bundle ]; then
    build fuzz "$clang" fuzzer-no-link,address,undefined -DASC_EDGE_FUZZ=ON -DCMAKE_CXX_FLAGS_RELWITHDEBINFO="-O2 -g1"
  fi
  export ASAN_OPTIONS=allow_addr2line=1
  for target in "${targets[@]}"; do
    if [ "$running" -ge "$(nproc)" ]; then
      wait -n || bad=1
      running=$((running - 1))
    fi
    fuzz_one "$target" &
    running=$((running + 1))
  done
  while [ "$running" -gt 0 ]; do
    wait -n || bad=1
    running=$((running - 1))
  done
  [ "$bad" -eq 0 ] || fail "fuzz found something; see above"
}

job_tidy() {
  # Only the list of compiler calls is wanted, and clang's, because GCC has options that clang-tidy doesn't know.
  "$bin/cmake" -S . -B build/safety/tidy -G Ninja -DCMAKE_MAKE_PROGRAM="$bin/ninja" -DCMAKE_CXX_COMPILER="$clang" \
    -DCMAKE_EXPORT_COMPILE_COMMANDS=ON -DPython_EXECUTABLE="$bin/python" \
    -Dpybind11_DIR="$("$bin/python" -m pybind11 --cmakedir)" -DASC_EDGE_TESTS=ON -DASC_EDGE_FUZZ=ON \
    -DASC_EDGE_SANITIZE=fuzzer-no-link,address,undefined >/dev/null
  find cpp -name '*.cpp' -print0 |
    xargs -0 -n 1 -P "$(nproc)" "$bin/clang-tidy" --quiet -p build/safety/tidy 2>build/safety/tidy/log ||
    fail "clang-tidy found something; see above"
}

for job in "${jobs[@]}"; do
  start=$SECONDS
  echo "safety: $job"
  "job_$job"
  echo "safety: $job: good, $((SECONDS - start)) s"
done
