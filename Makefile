VENV ?= .venv
PYTHON ?= $(firstword $(foreach name,python3.11 python3.12 python3.13 python3.14 python3,$(shell command -v $(name))))
ARGS ?=
# A process of the tests on each core; one Ray at a time.
PARALLEL ?= --numprocesses logical --dist loadfile
CONSTRAINTS ?= constraints.txt
BIN = $(VENV)/bin

.DEFAULT_GOAL := help
.PHONY: help install demo test faults fast lint types check audit

help:  ## Show the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

install: $(VENV)/.installed  ## Make the virtual environment (VENV=.venv) and install into it

demo: install  ## Run the demo sweep, about 5 minutes on 2 cores (again: ARGS="--name demo2")
	$(BIN)/sweeps run examples/demo.yaml --export margins.yaml $(ARGS)

# Threads of torch in several processes at a time would wait for each other.
test faults fast: export OMP_NUM_THREADS = 1

test: install  ## Run the tests
	$(BIN)/python -m pytest $(PARALLEL) $(ARGS)

faults: install  ## Run the tests in which whole sweeps lose a driver, a node, a database or their secrets
	$(BIN)/python -m pytest -m 'faults and not slow' $(ARGS)

fast: install  ## Run the tests that start no Ray
	$(BIN)/python -m pytest $(PARALLEL) -m 'not ray and not faults and not slow and not gpu and not browser' $(ARGS)

lint: install  ## Check style and format
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: install  ## Check types
	$(BIN)/mypy

check: lint types test faults  ## Everything that CI checks

audit: install  ## Look the installed versions up among PyPI's known vulnerabilities
	$(PYTHON) -m venv $(VENV)/audit
	$(VENV)/audit/bin/pip install --quiet pip-audit
	$(VENV)/audit/bin/pip-audit --path $$($(BIN)/python -c 'import sysconfig as s; print(s.get_path("purelib"))')

$(VENV)/.installed: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(0 if (3, 11) <= sys.version_info[:2] <= (3, 14) else \
	    "Python 3.11 to 3.14 is needed; set PYTHON=/path/to/python3.11")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --constraint $(CONSTRAINTS) --editable '.[dev]'
	@touch $@
