# Everything runs in a virtual environment: the active one, or env/, which is made here.
PYTHON ?= python3
ENV := $(if $(VIRTUAL_ENV),$(VIRTUAL_ENV),env)
BIN := $(ENV)/bin
RUN := $(BIN)/python

# What an environment has is noted in files in it, so that it is installed once.
INSTALLED := $(ENV)/.installed
PIP := $(RUN) -m pip --disable-pip-version-check install --quiet

.DEFAULT_GOAL := help
.PHONY: help bootstrap demo test test-all lint types bench dist clean

help:  ## show this list
	@sed -n 's/^\([a-z-]*\):.*##/\1:/p' Makefile | awk -F': +' '{ printf "  make %-10s %s\n", $$1, $$2 }'

$(BIN)/python:
	@$(PYTHON) -m venv $(ENV) || { \
	  echo "Could not make a virtual environment with $(PYTHON)." \
	       "On Debian and Ubuntu: apt-get install python3-venv"; exit 1; }

$(INSTALLED): $(BIN)/python setup.py pyproject.toml
	$(PIP) --editable .
	@touch $@

$(INSTALLED)-tests: $(INSTALLED)
	$(PIP) --editable '.[tests]'
	@touch $@

$(INSTALLED)-dev: $(INSTALLED)
	$(PIP) --editable '.[dev]'
	@touch $@

bootstrap: $(INSTALLED)-dev  ## install the project and all that its development needs

demo: $(INSTALLED)  ## trace three services and show what happened
	$(RUN) examples/checkout.py

test: $(INSTALLED)-tests  ## run the tests
	$(RUN) -m pytest -q

test-all: $(BIN)/python  ## run the tests on every supported Python found on this machine
	$(RUN) tests/run_on_all_pythons.py

lint: $(INSTALLED)-dev  ## check style and formatting
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(INSTALLED)-dev  ## check types, with two checkers
	$(BIN)/mypy opentracing opentracing_recorder tests/typing
	PYRIGHT_PYTHON_IGNORE_WARNINGS=1 $(BIN)/pyright --pythonpath $(RUN) opentracing opentracing_recorder tests/typing

bench: $(INSTALLED)  ## measure the cost of a span
	$(RUN) tests/benchmarks/bench.py

dist: $(INSTALLED)  ## build the source distribution and the wheel, and check them
	$(PIP) build twine
	rm -rf build dist
	$(RUN) -m build --outdir dist .
	$(BIN)/twine check --strict dist/*

clean:  ## remove all that was made here, env/ included
	rm -rf env build dist *.egg-info .hypothesis .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
