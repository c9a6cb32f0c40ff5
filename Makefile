# `make` lists the targets. Each works on a fresh clone; `PYTHON=python3.12 make setup` chooses
# the interpreter, `JOBS=4 make test` the number of test processes.

PYTHON ?= python3
JOBS ?= 2
VENV := .venv
BIN := $(VENV)/bin
# Whoever forbids it compiles every module anew in each of the many processes that the tests start.
export PYTHONDONTWRITEBYTECODE :=
STAMP := $(VENV)/.installed

.DEFAULT_GOAL := help
.PHONY: help setup demo test long slow fuzz check format notebooks docs all clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-9s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Foveate needs Python 3.11 or newer: PYTHON=python3.11 make setup")'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[all,dev]'
	touch $@

setup: $(STAMP) ## make the environment .venv (again only when pyproject.toml or constraints.txt change)

demo: $(STAMP) ## train on the bundled data, translate, draw (a few minutes)
	$(BIN)/foveate demo

test: $(STAMP) ## the quick tests and the examples of the docstrings
	$(BIN)/python -m pytest -n $(JOBS) --dist worksteal

long: $(STAMP) ## the tests that take seconds each, which `make test` leaves out
	$(BIN)/python -m pytest -n $(JOBS) --dist worksteal -m long

slow: $(STAMP) ## every test, with more examples, and kill training at every file-system event (an hour)
	$(BIN)/python -m pytest -n $(JOBS) --dist worksteal -m '' --hypothesis-profile=thorough
	$(BIN)/python tests/kill_points.py
	$(BIN)/python tests/kill_points.py --scenario train --scenario test --moments 20

fuzz: $(STAMP) ## 10,000 odd files, options, streams and models, and five minutes of odd requests (20 minutes)
	$(BIN)/python tests/fuzz.py
	$(BIN)/python tests/fuzz_http.py

check: $(STAMP) ## format, lint, types and the rules of imports
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(STAMP) ## put the code in its format and mend what can be mended
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

notebooks: $(STAMP) ## write the tutorial as notebooks, docs/tutorial/*.ipynb
	$(BIN)/python scripts/write_notebooks.py

docs: $(STAMP) ## the documentation, in docs/_build/html; runs the tutorial (some minutes)
	$(BIN)/sphinx-build -W --keep-going -q -b html docs docs/_build/html

all: check test long docs ## everything that has to pass

clean: ## remove what was built, but not .venv
	rm -rf dist build docs/_build .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
