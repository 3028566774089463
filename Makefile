# Everything a developer types. Needs only make and Python 3.11 or newer.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# For "make fuzz", "make torture" and "make mutate"; nothing named means all.
RUNS := 1000000
CYCLES := 10000
TARGETS :=
MODULES :=
JOBS := 1
# Programs that tests start, named as their Debian packages are.
TEST_PROGRAMS := strace tmux

.DEFAULT_GOAL := help
.PHONY: help setup setup-core demo test test-long check bench fuzz torture mutate clean

help:  ## Show this list
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 14

setup: $(VENV)/.with-dev  ## Install Slowlight and what tests and checks need
setup-core: $(VENV)/.with-core  ## Install Slowlight with its core packages only

demo: setup-core  ## Two nodes carry one real conversation
	$(BIN)/slowlight demo conversation

test: setup  ## Run the tests that are quick
	$(BIN)/python -m pytest -m "not long"

test-long: setup  ## Run the tests that take longer
	$(BIN)/python -m pytest -m long

check: setup  ## Lint, formatting and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/mypy tests $(wildcard benchmarks)
	$(BIN)/pyright

bench: setup  ## Measure; prints a table and writes build/bench.json
	$(BIN)/python -m benchmarks

fuzz: setup  ## Fuzz every decoder (RUNS=1000000 for each, TARGETS="header run", SEED=1)
	$(BIN)/python -c 'import atheris' 2>/dev/null || $(BIN)/python -m pip install --quiet 'atheris>=3.0'
	$(BIN)/python -m tests.fuzz --runs=$(RUNS) $(SEED:%=--seed=%) $(TARGETS)

torture: setup  ## Kill a node that posts and receives (CYCLES=10000 SEED=1)
	$(BIN)/python -m tests.torture --cycles=$(CYCLES) $(SEED:%=--seed=%)

# In the copy the package has a folder of its own, and the tests are those of protocol/.
mutate: setup  ## Try the tests of protocol/ on mutants of it (MODULES="entry run" JOBS=1)
	$(BIN)/python -c 'import mutmut' 2>/dev/null || $(BIN)/python -m pip install --quiet 'mutmut>=3.8'
	rm -rf build/mutate
	mkdir -p build/mutate/slowlight build/mutate/tests
	cp -R __init__.py py.typed cli node protocol simulations store sync build/mutate/slowlight
	cp -R docs pyproject.toml setup.cfg build/mutate
	cp -R tests/vectors $(filter-out tests/test_%,$(wildcard tests/*.py)) build/mutate/tests
	cp tests/test_protocol_*.py build/mutate/tests
	cd build/mutate/tests && rm test_protocol_fuzz.py test_protocol_second_mutants.py  # slow
	cd build/mutate && ../../$(BIN)/mutmut run --max-children $(JOBS) $(MODULES:%='slowlight.protocol.%.*')
	cd build/mutate && ../../$(BIN)/mutmut results

clean:  ## Remove what was built or cached (the virtualenv stays)
	rm -rf build dist .coverage .hypothesis .mypy_cache .pytest_cache .ruff_cache *.egg-info
	find . -path ./$(VENV) -prune -o -name __pycache__ -type d -exec rm -rf {} +

$(VENV)/.with-python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	    echo "Slowlight needs Python 3.11 or newer: make PYTHON=/path/to/python ..." >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || .ci/debian python3-venv
	$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/.with-core: $(VENV)/.with-python setup.cfg pyproject.toml
	$(BIN)/python -m pip install --quiet --editable .
	@touch $@

$(VENV)/.with-dev: $(VENV)/.with-core
	@for program in $(TEST_PROGRAMS); do \
	    command -v $$program >/dev/null || .ci/debian $$program || exit 1; done
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	@touch $@
