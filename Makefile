# Run `make help` for what there is to run.
PYTHON ?= $(firstword $(foreach p,python3 python3.13 python3.12 python3.11,$(if $(shell $(p) -c 'import sys; print(1 if (3, 11) <= sys.version_info < (3, 14) else "")' 2>/dev/null),$(p))))
VENV := .venv
BIN := $(VENV)/bin
PEERS := .venv-peers
PEERS_XPLIQUE := .venv-peers-xplique
TEST_PEERS := .venv-test-peers
TEST_BACKENDS := .venv-test-backends
export PATH := $(CURDIR)/$(BIN):$(PATH)
export PYTHONPATH := $(CURDIR)
CORES ?= all
CONFIG ?= config.yaml
export CONFIG
N ?= 10000
FIRST ?= 0
FORMAT ?= all

.DEFAULT_GOAL := help
.PHONY: help figures verify test test-long test-changes test-wild test-peers test-backends test-slurm test-kills fuzz fuzz-networks docs docs-models lint format lock bench bench-peers progress clean

help: ## List the targets.
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-14s %s\n", $$1, $$2}'

figures: $(VENV)/runtime ## Install, make every figure of the default study (or CONFIG=...), say where to look.
	@test -f "$$CONFIG" || { echo "CONFIG=$$CONFIG: no such file; the ready studies are config.yaml and config/*.yaml"; exit 1; }
	snakemake --cores $(CORES) --configfile "$$CONFIG" --quiet rules
	@echo "Done. Open results/index.html in a browser."

progress: $(VENV)/runtime ## Say how much of a study's filter patterns is made, and how long the rest takes (CONFIG=...).
	@python -m scripts.progress --config "$$CONFIG"

verify: $(VENV)/runtime ## Look whether every result is as it was written (CONFIG=...; ARGS=--repair has the damaged made again).
	@python -m convscope verify "$$CONFIG" $(ARGS)

test: $(VENV)/test ## Install what the tests need and run them.
	pytest -n 2 --dist loadfile --no-loadscope-reorder

test-long: $(VENV)/test ## Run the tests of whole studies that `make test` leaves out.
	pytest -n 2 --dist loadfile --no-loadscope-reorder -m long $(ARGS)

test-changes: $(VENV)/test ## Change every leaf of the config and every kind of file, and compare with fresh folders (hours; ARGS="'cams.*' --dry").
	python -m tests.workflow.changes $(ARGS)

test-wild: $(VENV)/test ## Classifiers that people published, against the library that saved them, through the whole chain (WILD=folder).
	WILD="$(WILD)" pytest tests/wild $(ARGS)

test-peers: $(TEST_PEERS)/installed ## Check the explanations against captum, Xplique, tf-keras-vis, shap and lime (several GB).
	$(TEST_PEERS)/bin/python -m pytest tests/peers

test-slurm: $(VENV)/test ## Submit a small study to a Slurm that is started for it (needs Debian's slurmctld, slurmd, slurm-client, munge).
	pytest tests/slurm $(ARGS)

test-kills: N = 50
test-kills: $(VENV)/test ## Kill -9 a small study N=50 times in the middle of all kinds of work, and compare what comes of it (half an hour).
	python -m tests.kills --count $(N) $(ARGS)

test-backends: $(TEST_BACKENDS)/installed ## Check that TensorFlow, JAX and PyTorch give the same numbers (several GB).
	JAX_DISABLE_MOST_OPTIMIZATIONS=0 $(TEST_BACKENDS)/bin/python -m pytest -m 'long or not long' tests/unit/backends

fuzz: $(VENV)/test ## Damaged pictures through the reading path: N=10000 of each format, from number FIRST=0 on (FORMAT="PNG GIF").
	python -m tests.fuzz_pictures --first $(FIRST) --count $(N) --format $(FORMAT) $(ARGS)

fuzz-networks: $(VENV)/test ## Random networks through the library, each against Keras: N=10000 of them, from number FIRST=0 on.
	python -W ignore -m tests.fuzz --first $(FIRST) --count $(N)

docs: $(VENV)/test ## Write the pages of the docs that are made from the schema, the figure index, the table of jobs and the table of changes.
	python -m scripts.config_page
	python -m scripts.figures_page
	python -m scripts.needs_page
	python -m tests.workflow.changes --docs

docs-models: $(VENV)/test ## Measure every family of networks and write docs/models.md (an hour; ARGS="--only ViT").
	python -W ignore -m tests.families $(ARGS)

lint: $(VENV)/test ## Check formatting, lint, types and the workflow.
	ruff format --check .
	ruff check .
	mypy
	snakefmt --check Snakefile rules
	python -m tests.workflow.lint

format: $(VENV)/test ## Format the code.
	ruff format .
	ruff check --fix .
	snakefmt Snakefile rules

lock: ## Resolve the dependencies again (needs uv).
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links --no-header \
		-q requirements/runtime.in -o requirements/runtime.lock
	{ sed '/^  - pip:/q' envs/convscope.yaml; sed -n 's/^\([a-z].*==.*[^ ]\) *\\$$/      - \1/p' requirements/runtime.lock; } > envs/convscope.new
	mv envs/convscope.new envs/convscope.yaml
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links --no-header \
		-q requirements/test.in -c requirements/runtime.lock -o requirements/test.lock
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links --no-header \
		-q requirements/bench-peers.in -c requirements/runtime.lock -o requirements/bench-peers.lock
	sed -n 's/ .*//; /^\(keras\|h5py\|xxhash\)==/p' requirements/runtime.lock | \
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links --no-header \
		-q requirements/bench-xplique.in -c - --overrides requirements/bench-xplique.override -o requirements/bench-xplique.lock
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links --no-header \
		-q requirements/test-peers.in -c requirements/runtime.lock -o requirements/test-peers.lock
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links --no-header \
		-q requirements/test-backends.in -c requirements/runtime.lock -o requirements/test-backends.lock

bench: $(VENV)/runtime ## Measure against the textbook's loops and other libraries (ARGS=--quick, ARGS="--only ascent").
	python -m bench $(ARGS)

bench-peers: $(PEERS)/installed $(PEERS_XPLIQUE)/installed ## Install the libraries that `make bench` compares with, in environments of their own.

clean: ## Remove the environment and everything made.
	rm -rf $(VENV) $(PEERS) $(PEERS_XPLIQUE) $(TEST_PEERS) $(TEST_BACKENDS) results .snakemake

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

# The lock of Xplique 2 holds all there is to install but CUDA, which its wheel asks for: see requirements/bench-xplique.in.
$(PEERS)/installed: requirements/bench-peers.lock
$(PEERS_XPLIQUE)/installed: requirements/bench-xplique.lock
$(PEERS_XPLIQUE)/installed: ALONE := --no-deps
$(PEERS)/installed $(PEERS_XPLIQUE)/installed:
	@test -n "$(PYTHON)" || { echo "Python 3.11, 3.12 or 3.13 is needed and none was found; set PYTHON=/path/to/python"; exit 1; }
	$(PYTHON) -m venv $(@D)
	@echo "Installing the libraries to compare with into $(@D) (a minute or two) ..."
	@$(@D)/bin/python -m pip install --quiet --disable-pip-version-check $(ALONE) --require-hashes -r $<
	@touch $@

# An environment of its own for what some tests compare with; torch for Linux brings CUDA, a download of several GB.
$(TEST_PEERS)/installed $(TEST_BACKENDS)/installed: .venv-%/installed: requirements/%.lock
	@test -n "$(PYTHON)" || { echo "Python 3.11, 3.12 or 3.13 is needed and none was found; set PYTHON=/path/to/python"; exit 1; }
	$(PYTHON) -m venv .venv-$*
	@echo "Installing $< into .venv-$* (minutes; where torch is in it, several GB) ..."
	@.venv-$*/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $<
	@touch $@
