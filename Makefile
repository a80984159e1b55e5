# `make help` says what there is. Everything goes through .venv, which openhands_site/bootstrap.py makes.
SHELL := /bin/sh
.DEFAULT_GOAL := help
.PHONY: help run test faults lint types build sandbox-image bench bench-compare lock clean

# The first Python that is new enough and can make an environment; failing that one that is only new enough, and
# bootstrap.py says what it lacks. They are tried, for a shim may be on PATH with nothing behind it.
CANDIDATES := python3.12 python3.11 python3 python3.13 python3.14 python
find_python = $(shell for p in $(CANDIDATES); do $$p -c 'import sys$(1); sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 && echo $$p && break; done)
comma := ,
ifndef PYTHON
PYTHON := $(or $(call find_python,$(comma) ensurepip$(comma) venv),$(call find_python))
endif
BOOTSTRAP = $(if $(PYTHON),$(PYTHON) -I openhands_site/bootstrap.py,echo "No Python 3.11 or later was found; install Python 3.11 or 3.12 (Debian: apt-get install python3 python3-venv)." >&2; exit 1;)
IN_VENV := .venv/bin/python
unexport PYTHONDONTWRITEBYTECODE # a start takes seconds only where the modules stay compiled

help: ## Say what each target does
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' Makefile

run: ## Start everything on http://localhost:8000 (PORT, OPENHANDS_HOME and docs/settings.md change that)
	@$(BOOTSTRAP) runtime assets
	@exec $(IN_VENV) manage.py up

test: ## Run the tests (ARGS="-k name" chooses; what needs a missing service is skipped)
	@$(BOOTSTRAP) development assets elements
	@$(IN_VENV) -m pytest --ignore=tests/faults $(ARGS)

faults: ## Kill, freeze and cut off everything, for half an hour (FAULTS_LONG=0: for some minutes, as CI does)
	@$(BOOTSTRAP) development assets
	@FAULTS_LONG=$(or $(FAULTS_LONG),1) $(IN_VENV) -m pytest tests/faults -n 4 --dist loadfile --no-loadscope-reorder $(ARGS)

lint: ## Check style, formatting, and which module may import which
	@$(BOOTSTRAP) development
	@$(IN_VENV) -m ruff check .
	@$(IN_VENV) -m ruff format --check .
	@.venv/bin/lint-imports

types: ## Check the types
	@$(BOOTSTRAP) development
	@$(IN_VENV) -m mypy .

build: ## Build what `make run` needs, without starting it
	@$(BOOTSTRAP) runtime assets

sandbox-image: ## Build the image of Docker sandboxes (needs a Docker engine; takes minutes, once)
	@$(BOOTSTRAP) runtime
	@$(IN_VENV) manage.py build_sandbox_image

bench: ## Measure (ARGS="terminal --quick" chooses, --help says more); prints a table and a JSON object
	@$(BOOTSTRAP) development assets
	@$(IN_VENV) -m benchmarks $(ARGS)

bench-compare: ## Measure this tree and BASE=<commit> by turns, and print the ratios (ARGS="steps" chooses)
	@$(BOOTSTRAP) development assets
	@$(IN_VENV) -m benchmarks.compare $(BASE) $(ARGS)

lock: ## Resolve the packages anew from pyproject.toml and package.json (UPGRADE=1: to their newest versions)
	@$(BOOTSTRAP) development
	@$(IN_VENV) -I openhands_site/bootstrap.py lock $(if $(UPGRADE),upgrade)

clean: ## Remove what was installed and built; the data folder stays
	rm -rf .venv node_modules static/dist staticfiles .pytest_cache .mypy_cache .ruff_cache .import_linter_cache
