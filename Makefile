# `make demo` and `make test` each work as the first command on a fresh clone: they create $(VENV) and install.
PYTHON ?= python3
VENV ?= .venv
# Passed to `pip install`, for instance PIP_FLAGS="--find-links wheels".
PIP_FLAGS ?=

BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
EXTRAS := agents,fast,human,hub,ode,traces,dev
# Two pytest workers with one thread each are quicker on two cores than workers that fight for threads.
PYTEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest

# Versions in the place of the lowest ones, for instance LOWEST="torch==2.13.0" where those have no CPU build.
LOWEST ?=

.PHONY: help install demo test test-slow test-gpu test-compat test-lowest test-newest trust coverage mutation \
	audit sbom check format bench docs links notebooks clean

help:  ## This list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*##/\t/' | expand -t 14

$(INSTALLED): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "ttc-gym needs Python 3.11 or newer, but '$(PYTHON)' is $$($(PYTHON) -V 2>&1);" \
			"name another one: make PYTHON=python3.12 $(MAKECMDGOALS)" >&2; exit 1; }
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv $(VENV)
	@echo "installing into $(VENV)/, which takes some minutes: PyTorch is large"
	$(BIN)/python -m pip install --disable-pip-version-check -q $(PIP_FLAGS) \
		-e '.[agents,fast,hub,traces,dev]' -c constraints.txt
	@touch $@

install: $(INSTALLED)  ## Create the virtual environment with everything that the other targets need

demo: $(INSTALLED)  ## Train on 9x9 Sudoku for two minutes, sweep the test-time steps, write runs/demo/
	$(BIN)/ttc demo

test: $(INSTALLED)  ## The fast tests
	$(PYTEST) -n 2 --dist loadgroup
	$(PYTEST) -n 2 tests/device

test-slow: $(INSTALLED)  ## The slow tests: learning runs of minutes each
	$(PYTEST) -m slow

test-gpu: $(INSTALLED)  ## The device tests on CUDA, against the CPU; a minute
	$(PYTEST) -m gpu tests/device

test-compat:  ## Install RL libraries and old and new Gymnasium into .venv-compat/, see who runs with no glue
	$(PYTHON) tests/compat/run.py --pip-flags="$(PIP_FLAGS)"

test-lowest:  ## The fast tests with the lowest versions that pyproject.toml allows, in .venv-lowest/
	$(PYTHON) scripts/lowest_versions.py $(LOWEST) > .lowest.txt
	$(PYTHON) -m venv --clear .venv-lowest
	.venv-lowest/bin/python -m pip install -q $(PIP_FLAGS) -e '.[$(EXTRAS)]' -c .lowest.txt
	OMP_NUM_THREADS=1 .venv-lowest/bin/python -m pytest -n 2 --dist loadgroup -W default
	OMP_NUM_THREADS=1 .venv-lowest/bin/python -m pytest -n 2 -W default tests/device

test-newest:  ## The fast tests with the newest versions of everything, in .venv-newest/
	$(PYTHON) -m venv --clear .venv-newest
	.venv-newest/bin/python -m pip install -q $(PIP_FLAGS) -e '.[$(EXTRAS)]'
	OMP_NUM_THREADS=1 .venv-newest/bin/python -m pytest -n 2 --dist loadgroup -W default
	OMP_NUM_THREADS=1 .venv-newest/bin/python -m pytest -n 2 -W default tests/device

trust: $(INSTALLED)  ## Kills, damage, two writers, hostile files: what docs/trust.md promises, as one table
	$(BIN)/python scripts/trust.py

coverage: $(INSTALLED)  ## Lines and branches that the fast tests reach, kernels included; the floors are in pyproject.toml
	$(BIN)/python -m pip install -q $(PIP_FLAGS) 'coverage>=7.10'
	rm -f .coverage .coverage.*
	NUMBA_DISABLE_JIT=1 OMP_NUM_THREADS=1 $(BIN)/python -m coverage run -m pytest
	$(BIN)/python -m coverage combine -q
	$(BIN)/python -m coverage report

mutation: $(INSTALLED)  ## 400 small changes to the code that its tests have to notice
	OMP_NUM_THREADS=1 $(BIN)/python scripts/mutation.py

# Strict: what cannot be looked up is an error. Builds of a version (+cpu) are looked up as that version.
audit: $(INSTALLED) .venv-audit/.installed  ## Known faults of all that is installed
	@mkdir -p build
	$(BIN)/python -m pip list --format freeze --exclude-editable | sed 's/+.*//' > build/installed.txt
	.venv-audit/bin/pip-audit --strict --progress-spinner off --no-deps --disable-pip -r build/installed.txt

sbom: $(INSTALLED) .venv-audit/.installed  ## The bill of materials (CycloneDX) of all that is installed, build/sbom.json
	@mkdir -p build
	.venv-audit/bin/cyclonedx-py environment --pyproject pyproject.toml --output-reproducible \
		-o build/sbom.json $(BIN)/python

.venv-audit/.installed: Makefile
	$(PYTHON) -m venv .venv-audit
	.venv-audit/bin/python -m pip install -q $(PIP_FLAGS) 'pip-audit>=2.7' 'cyclonedx-bom>=5'
	@touch $@

check: $(INSTALLED)  ## Lint, format and types, without changing anything
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(INSTALLED)  ## Format and fix what ruff can fix
	$(BIN)/ruff check --fix-only .
	$(BIN)/ruff format .

docs: $(INSTALLED)  ## Build the documentation into docs/_build/html; warnings are errors
	$(BIN)/python -m pip install --disable-pip-version-check -q $(PIP_FLAGS) -e '.[agents,docs]' -c constraints.txt
	$(BIN)/python -m sphinx -W --keep-going -q -b html docs docs/_build/html
	@echo docs/_build/html/index.html

links: $(INSTALLED)  ## Ask for every external link of the documentation; needs the network
	$(BIN)/python -m pip install --disable-pip-version-check -q $(PIP_FLAGS) -e '.[agents,docs]' -c constraints.txt
	$(BIN)/python -m sphinx -q -b linkcheck docs docs/_build/links

notebooks: $(INSTALLED)  ## Execute the sources in docs/notebooks/ into the notebooks beside them; a few minutes
	$(BIN)/python -m pip install --disable-pip-version-check -q $(PIP_FLAGS) -e '.[agents,notebooks]' -c constraints.txt
	OMP_NUM_THREADS=1 $(BIN)/python scripts/make_notebooks.py

bench: $(INSTALLED)  ## Every benchmark, one after the other; the last line of each is one JSON document
	@set -e; for script in benchmarks/*.py; do echo "# $$script"; OMP_NUM_THREADS=1 $(BIN)/python $$script; done

clean:  ## Remove the virtual environment and caches
	rm -rf $(VENV) .venv-*/ .lowest.txt .coverage .coverage.*
	rm -rf .pytest_cache .mypy_cache .ruff_cache .hypothesis build dist
