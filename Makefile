# What people run here. `make` alone lists it.
# An environment of its own in .venv, by uv where it is there, else by venv and pip; only pinned, hashed packages.

PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
ARGS   ?=
JOBS   ?= 3
UV     := $(shell command -v uv 2>/dev/null)
PACKAGES := checks collector exporters

ifdef UV
install = $(UV) pip install --quiet --python $(BIN)/python
else
install = $(BIN)/python -m pip install --quiet --disable-pip-version-check
endif

.DEFAULT_GOAL := help
.PHONY: help bench demo test lint format unit soak env lock lock-exports clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "sidecheck needs Python 3.11 or newer: make PYTHON=python3.12 ...")'
	$(PYTHON) -m venv $(VENV)

$(VENV)/.runtime: $(BIN)/python requirements/runtime.txt pyproject.toml
	@echo "installing the pinned packages into $(VENV) (once; takes a minute or two)"
	$(install) --require-hashes -r requirements/runtime.txt
	$(install) --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/.dev: $(VENV)/.runtime requirements/dev.txt
	@echo "installing the test tools"
	$(install) --require-hashes -r requirements/dev.txt
	@touch $@

env: $(VENV)/.runtime ## make the environment only

demo: $(VENV)/.runtime ## see it work: recorded traces through OTLP, verdicts, addresses (ARGS=--exit ends by itself)
	@$(BIN)/sidecheck demo $(ARGS)

lint: $(VENV)/.dev ## ruff, mypy --strict, import-linter, deptry, codespell
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/deptry .
	$(BIN)/codespell

soak: $(VENV)/.dev ## the fault tests in their long form, an hour; their table goes into tests/faults/README.md
	SIDECHECK_SOAK=1 SIDECHECK_SOAK_TABLE=1 $(BIN)/pytest tests/faults $(ARGS)

unit: $(VENV)/.dev ## the tests only, three at a time, then those that must be alone (JOBS=4; ARGS="-k citations")
	$(BIN)/pytest -n $(JOBS) --dist loadfile --no-loadscope-reorder -m "not alone" $(ARGS); code=$$?; test $$code -eq 0 || test $$code -eq 5
	$(BIN)/pytest -m alone $(ARGS); code=$$?; test $$code -eq 0 || test $$code -eq 5

test: lint unit ## lint, then all tests; SIDECHECK_REQUIRE=postgres,... makes a missing server a failure

bench: $(VENV)/.dev ## measure it, as ratios in one run, eight minutes (ARGS="scale --long", "--table", "--json FILE")
	$(BIN)/python tests/bench/run.py $(ARGS)

format: $(VENV)/.dev ## put the code into shape
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

compile = uv pip compile --quiet --universal --generate-hashes --no-header --no-emit-index-url --no-annotate \
	--python-version 3.11 $(UPGRADE) pyproject.toml requirements/build.in --extra fast --extra kafka

lock: ## pin the requirements anew (needs uv; UPGRADE=--upgrade for newer versions)
	$(compile) -o requirements/runtime.txt
	$(compile) --extra postgres -c requirements/runtime.txt -o requirements/container.txt
	$(compile) --extra postgres --extra parquet --group dev -c requirements/container.txt -o requirements/dev.txt

lock-exports: ## pin the eval tools anew that the exports are tested with (needs uv and npm; ARGS="deepeval.in ...")
	tests/integration/exports/requirements/compile.sh $(ARGS)

clean: ## remove the environment and what tools left behind
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache dist build
