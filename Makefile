# Every command a developer or CI needs. `make help` lists them.
.DEFAULT_GOAL := help
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
EXTRAS := dev,bench,examples,jax

# Compiled bytecode more than halves the start of every Ray worker that imports TensorFlow.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help install demo test test-fast test-cluster chaos lint types check format docs build lock clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | awk -F'\t' '{printf "  %-12s %s\n", $$1, $$2}'

install: $(STAMP) ## build .venv from the project's own files

$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[$(EXTRAS)]'
	@touch $@

demo: install ## sweep a small CNN twice: the second sweep starts from what the first one taught
	$(BIN)/python -m examples.demo

test: install ## the whole test suite
	$(BIN)/python -m pytest

test-fast: install ## the tests that need no Ray and few seconds
	$(BIN)/python -m pytest -m "not ray and not slow"

test-cluster: install ## faults of a cluster of three nodes in network namespaces, as root; some eight minutes
	PYTHONPATH=. $(BIN)/python tests/cluster_release/faults.py

chaos: install ## kill -9, power cuts (as root) and damage by the hundred; half an hour or more
	PYTHONPATH=. $(BIN)/python tests/store/storm.py --kills 1000
	PYTHONPATH=.:searchers $(BIN)/python tests/store/driver_kills.py --kills 20
	PYTHONPATH=. $(BIN)/python tests/learner/learner_kills.py --kills 200
	if [ "$$(id -u)" = 0 ]; then PYTHONPATH=. $(BIN)/python tests/store/power.py --images 20; else echo "power cuts need root: skipped"; fi
	METAHP_STATEFUL_EXAMPLES=300 $(BIN)/python -m pytest tests/store/test_stateful.py

lint: install ## ruff: rules and format
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: install ## mypy --strict
	$(BIN)/mypy

check: lint types ## lint and types

format: install ## let ruff rewrite the files
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: install ## the pages of docs/ as a site, in .build/site
	$(BIN)/python -m mkdocs build --strict

build: install ## build the wheel, install it into an empty environment, use it there
	rm -rf dist .build
	$(BIN)/python -m build --wheel --no-isolation --outdir dist .
	$(PYTHON) -m venv .build/empty
	.build/empty/bin/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt dist/metahp-*.whl
	cd .build && empty/bin/python -I -c "import metahp, metahp_searchers, metahp_cluster; print('imports from the wheel:', metahp.__version__)"
	cd .build && empty/bin/metahp --version
	cd .build && empty/bin/python -I -c "from metahp_cluster.ui import rendering as r; r.inline('live.js'); r.page('problem.html', {'sentence': ''})"

lock: ## renew constraints.txt with the newest versions that pyproject.toml allows
	rm -rf .build/lock && $(PYTHON) -m venv .build/lock
	.build/lock/bin/python -m pip install --quiet --disable-pip-version-check --editable '.[$(EXTRAS)]'
	echo "# The tested set of dependencies; made by 'make lock', used by 'make install'." > constraints.txt
	.build/lock/bin/python -m pip freeze --exclude-editable >> constraints.txt

clean: ## remove everything that can be built again
	rm -rf $(VENV) .build dist results demo-output .pytest_cache .mypy_cache .ruff_cache .hypothesis
