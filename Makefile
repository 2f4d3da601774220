# Two commands do everything on a fresh machine: `make listen` and `make test`.
#   make listen                  the microphone, or without one a synthetic four-channel scene
#   make listen INPUT=kitchen.wav
#   make listen DEVICE=2 ARGS="--format jsonl"
SHELL := /bin/bash
.DEFAULT_GOAL := help
.PHONY: help listen test lint format cpptest pytest bench performance instructions safety wheels aarch64 soak home-assistant picture clean

# What the editable install was built from; Python sources are used in place.
BUILD_INPUTS := pyproject.toml CMakeLists.txt tools/setup.sh $(shell find cpp/include cpp/src cpp/bindings -type f)
PYTHON_DIRS := python tools tests benchmarks
CPP_FILES = $(shell find cpp -name '*.cpp' -o -name '*.hpp')
BIN := .venv/bin

help: ## Show this list
	@grep -hE '^[a-z0-9]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

.venv/.ready-device: $(BUILD_INPUTS)
	@tools/setup.sh device

.venv/.ready-dev: $(BUILD_INPUTS)
	@tools/setup.sh dev

listen: .venv/.ready-device ## Set up and listen: INPUT=file, DEVICE=id, ARGS="...", else microphone or demonstration
	@$(BIN)/asc-edge listen $(if $(INPUT),--input "$(INPUT)",$(if $(DEVICE),--device "$(DEVICE)",--or-demo)) $(ARGS)

test: .venv/.ready-dev lint cpptest pytest ## Set up, then linters, types, C++ tests and Python tests

lint: .venv/.ready-dev ## Linters, formats and types
	$(BIN)/ruff check $(PYTHON_DIRS)
	$(BIN)/ruff format --check $(PYTHON_DIRS)
	$(BIN)/clang-format --dry-run -Werror $(CPP_FILES)
	$(BIN)/mypy

format: .venv/.ready-dev ## Put every file into the house's format
	$(BIN)/ruff check --fix $(PYTHON_DIRS)
	$(BIN)/ruff format $(PYTHON_DIRS)
	$(BIN)/clang-format -i $(CPP_FILES)

cpptest: .venv/.ready-dev ## C++ unit tests, warnings as errors
	$(BIN)/cmake -S . -B build/cpp -G Ninja -DCMAKE_MAKE_PROGRAM=$(CURDIR)/$(BIN)/ninja \
	  -DASC_EDGE_PYTHON=OFF -DASC_EDGE_TESTS=ON -DASC_EDGE_WERROR=ON >/dev/null
	$(BIN)/cmake --build build/cpp
	$(BIN)/ctest --test-dir build/cpp --output-on-failure --no-tests=error

pytest: .venv/.ready-dev ## Python tests, two files at a time: PYTEST_ARGS="-n 0 tests/test_x.py"
	$(BIN)/python -m pytest -n 2 --dist loadfile $(PYTEST_ARGS)

bench: .venv/.ready-dev ## Benchmarks, each of which also asserts its answer
	$(BIN)/python -m pytest benchmarks --benchmark-enable -m "not performance"

.venv/.ready-peers: .venv/.ready-dev benchmarks/peers.txt
	$(BIN)/python -m pip install -q -r benchmarks/peers.txt || echo "peers that can't be installed will be skipped"
	@touch $@

performance: .venv/.ready-peers ## Measure everything beside its peers, one thread: docs/performance.json, .md and .svg
	$(BIN)/python -m pytest benchmarks -m performance --performance docs/performance.json

instructions: .venv/.ready-dev ## Count a hop's instructions (valgrind); fails if they rose by more than 2 %
	$(BIN)/python -m benchmarks.instructions

.venv/.ready-safety: .venv/.ready-dev tools/safety.txt
	@tools/setup.sh safety

safety: .venv/.ready-safety ## Sanitizers, fuzzers, clang-tidy: JOBS="asan tsan rtsan fuzz tidy", SECONDS_EACH=60
	@tools/safety.sh --seconds $(or $(SECONDS_EACH),60) $(JOBS)

wheels: ## Wheels for x86-64 and aarch64, CPython 3.11-3.13, into dist/: ARGS="--python 3.11 --arch aarch64"
	@tools/wheels.sh $(ARGS)

aarch64: ## The C++ tests and the package as on a Raspberry Pi, emulated, against this machine's answers
	@tools/aarch64.sh $(ARGS)

soak: .venv/.ready-dev ## A day of sound through listen, at many times its speed, watched: ARGS="--hours 2"
	$(BIN)/python tools/soak.py $(ARGS)

home-assistant: .venv/.ready-dev ## Home Assistant's own judgement of what it is told, in an environment of its own
	@tools/ha_validation.sh

picture: .venv/.ready-dev ## Draw docs/listen.svg anew
	$(BIN)/python tools/draw_listen.py docs/listen.svg

clean: ## Remove everything that was built
	rm -rf .venv build dist runs cache
