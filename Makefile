# Run `make help` for what there is to run.
PYTHON ?= $(firstword $(foreach p,python3 python3.13 python3.12 python3.11,$(if $(shell $(p) -c 'import sys; print(1 if (3, 11) <= sys.version_info < (3, 14) else "")' 2>/dev/null),$(p))))
VENV := .venv
BIN := $(VENV)/bin
export PATH := $(CURDIR)/$(BIN):$(PATH)
export PYTHONPATH := $(CURDIR)
CORES ?= all
CONFIG ?= config.yaml

.DEFAULT_GOAL := help
.PHONY: help figures test lint format lock clean

help: ## List the targets.
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-10s %s\n", $$1, $$2}'

figures: $(VENV)/runtime ## Install, make every figure of the default study (or CONFIG=...), say where to look.
	@test -f "$(CONFIG)" || { echo "CONFIG=$(CONFIG): no such file; the ready studies are config.yaml and config/*.yaml"; exit 1; }
	snakemake --cores $(CORES) --configfile $(CONFIG) --quiet rules
	@echo "Done. Open results/index.html in a browser."

test: $(VENV)/test ## Install what the tests need and run all of them.
	pytest

lint: $(VENV)/test ## Check formatting, lint, types and the workflow.
	ruff format --check .
	ruff check .
	mypy
	snakefmt --check Snakefile rules
	snakemake --lint

format: $(VENV)/test ## Format the code.
	ruff format .
	ruff check --fix .
	snakefmt Snakefile rules

lock: ## Resolve the dependencies again (needs uv).
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links --no-header \
		-q requirements/runtime.in -o requirements/runtime.lock
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links --no-header \
		-q requirements/test.in -c requirements/runtime.lock -o requirements/test.lock

clean: ## Remove the environment and everything made.
	rm -rf $(VENV) results .snakemake

$(VENV)/python:
	@test -n "$(PYTHON)" || { echo "Python 3.11, 3.12 or 3.13 is needed and none was found; set PYTHON=/path/to/python"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/runtime: requirements/runtime.lock | $(VENV)/python
	@echo "Installing the pinned packages into $(VENV) (a minute or two) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $<
	@touch $@

$(VENV)/test: requirements/test.lock $(VENV)/runtime
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $<
	@touch $@
