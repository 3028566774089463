# Everything a developer types. Needs only make and Python 3.11 or newer.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
TEST_PROGRAMS := strace tmux

.DEFAULT_GOAL := help
.PHONY: help setup setup-core demo test test-long check bench clean

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

clean:  ## Remove what was built or cached (the virtualenv stays)
	rm -rf build dist .coverage .hypothesis .mypy_cache .pytest_cache .ruff_cache *.egg-info
	find . -path ./$(VENV) -prune -o -name __pycache__ -type d -exec rm -rf {} +

$(VENV)/.with-python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	    echo "Slowlight needs Python 3.11 or newer: make PYTHON=/path/to/python3.11 ..." >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/.with-core: $(VENV)/.with-python setup.cfg pyproject.toml
	$(BIN)/python -m pip install --quiet --editable .
	@touch $@

# Not every developer is root on a Debian machine: elsewhere the tests that need
# a missing program say which one.
$(VENV)/.with-dev: $(VENV)/.with-core
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	@for program in $(TEST_PROGRAMS); do command -v $$program >/dev/null || missing="$$missing $$program"; done; \
	if [ -n "$$missing" ] && [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	    { apt-get update -qq && DEBIAN_FRONTEND=noninteractive \
	        apt-get install -qq --yes --no-install-recommends $$missing; } >/dev/null || exit 1; \
	elif [ -n "$$missing" ]; then echo "some tests need these programs:$$missing" >&2; fi
	@touch $@
