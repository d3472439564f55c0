# Everything is built into .venv, from the sources of this folder and nothing else.
# `make` alone prints the targets. PYTHON=python3.12 chooses another interpreter.

SHELL := /bin/bash
PYTHON ?= python3
PORT ?= 6379
DIR ?= ./data
NODES ?= 3
CLUSTER_PORT ?= 7001
CLUSTER_DIR ?= ./data/local
ARGS ?=
SECONDS_OF_FUZZ ?= 60

BIN := .venv/bin
SOURCES := $(shell find resp_kv engine cluster -name '*.pyx' -o -name '*.pxd' -o -name '*.h')
INSTALLED := .venv/.installed
COMPILED := .venv/.compiled
NEEDED := .venv/.needed

.DEFAULT_GOAL := help
.PHONY: help build serve cluster test test-fast test-e2e sim property-long crash-long lint format types docs bench bench-cluster bench-engine bench-failure soak fuzz \
	check clean distclean

help:  ## print the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' Makefile

build: $(COMPILED)  ## make .venv and compile what changed

serve: $(COMPILED)  ## run one node; PORT=6379 DIR=./data ARGS="--appendfsync always"
	@exec $(BIN)/resp-kv serve --bind 127.0.0.1 --port $(PORT) --dir "$(DIR)" $(ARGS)

cluster: $(COMPILED)  ## run a cluster of NODES=3 on this machine, see also resp-kv local --help
	@exec $(BIN)/resp-kv local --nodes $(NODES) --port $(CLUSTER_PORT) --dir "$(CLUSTER_DIR)" $(ARGS)

test: lint $(COMPILED)  ## everything that CI runs
	$(BIN)/pytest tests

sim: $(COMPILED)  ## simulated clusters under faults: SEEDS=10000, SEED=1 the first; see python -m tests.sim --help
	$(BIN)/python -m tests.sim --seed $(or $(SEED),1) --seeds $(or $(SEEDS),1000)

test-fast: $(COMPILED)  ## unit and tidy tests only, well under a minute
	$(BIN)/pytest tests --ignore=tests/e2e --ignore=tests/property --ignore=tests/fuzz \
		--ignore=tests/sim

test-e2e: $(COMPILED)  ## real processes and real clients only
	$(BIN)/pytest tests/e2e

fuzz: $(COMPILED)  ## hostile bytes, SECONDS_OF_FUZZ=60 for each format
	FUZZ_SECONDS=$(SECONDS_OF_FUZZ) $(BIN)/pytest tests/fuzz

property-long: $(COMPILED)  ## the engine against a dict for hours; MODEL_EXAMPLES=5000 MODEL_STEPS=100
	MODEL_EXAMPLES=$(or $(MODEL_EXAMPLES),5000) MODEL_STEPS=$(or $(MODEL_STEPS),100) \
		$(BIN)/pytest --timeout 86400 tests/property/test_engine_model.py

crash-long: $(COMPILED)  ## power failures at every operation of 20 runs, all kinds of remains; bit flips
	CRASH_POINT_RUNS=20 CRASH_POINT_VARIANTS=7 BIT_FLIPS=5000 \
		$(BIN)/pytest --timeout 86400 tests/engine/test_crash_points.py tests/engine/test_bit_flips.py

lint: $(COMPILED)  ## ruff, cython-lint and mypy
	$(BIN)/ruff check .
	PATH=$(BIN):$$PATH cython-lint resp_kv engine cluster
	$(BIN)/mypy

format: $(INSTALLED)  ## sort imports and repair what ruff can repair
	$(BIN)/ruff check --fix .

docs: $(COMPILED)  ## write docs/commands.md and docs/configuration.md again
	$(BIN)/python -m docs.generate

bench: $(COMPILED)  ## side by side with redis-server
	$(BIN)/python -m benchmarks.server $(ARGS)

bench-cluster: $(COMPILED)  ## three nodes side by side with a redis-server and its two replicas
	$(BIN)/python -m benchmarks.cluster $(ARGS)

bench-failure: $(COMPILED)  ## what clients see while a node dies, freezes, is cut off, loses its disk; 12 minutes
	$(BIN)/python -m benchmarks.failure $(ARGS)

soak: $(COMPILED)  ## real nodes under random faults for MINUTES=10, with SEED=n again; what was acknowledged must be found
	$(BIN)/python -m tests.soak --minutes $(or $(MINUTES),10) $(if $(SEED),--seed $(SEED)) $(ARGS)

bench-engine: $(COMPILED)  ## CPU time of the engine's parts
	@for program in benchmarks/engine/[!_]*.py; do echo "== $$program"; $(BIN)/python $$program || exit 1; done

check: $(COMPILED)  ## verify every byte of DIR=./data while no server uses it
	$(BIN)/resp-kv check "$(DIR)"

clean:  ## remove what was compiled; keeps .venv and data
	find resp_kv engine cluster -name '*.so' -delete -o -name '*.c' -delete -o -name '*.html' -delete
	rm -rf build *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis $(COMPILED)

distclean: clean  ## remove .venv as well; keeps data
	rm -rf .venv

$(COMPILED): $(SOURCES) setup.py $(INSTALLED)
	@echo "compiling (the first time takes a minute or two)"
	@$(BIN)/python setup.py -q build_ext --inplace --parallel 2
	@touch $@

# Packages first that building needs, then ours without build isolation: one Cython, one setuptools.
$(INSTALLED): pyproject.toml $(NEEDED)
	@echo "installing into .venv"
	@$(BIN)/python -c 'import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["build-system"]["requires"], sep="\n")' > .venv/build-requires.txt
	@$(BIN)/python -m pip install -q --disable-pip-version-check -r .venv/build-requires.txt
	@RESP_KV_MODULES=no $(BIN)/python -m pip install -q --disable-pip-version-check --no-build-isolation -e '.[dev]'
	@touch $@

$(NEEDED):
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed; choose one: make PYTHON=python3.12 ..."; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2> /dev/null || { echo "Python's venv module is missing: apt-get install python3-venv"; exit 1; }
	@$(PYTHON) -c 'import os, sysconfig; os.stat(os.path.join(sysconfig.get_path("include"), "Python.h"))' 2> /dev/null || { echo "Python's C headers are missing: apt-get install python3-dev"; exit 1; }
	@command -v $${CC:-cc} > /dev/null || { echo "A C compiler is missing: apt-get install build-essential"; exit 1; }
	@$(PYTHON) -m venv .venv
	@touch $@
