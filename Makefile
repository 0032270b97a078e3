# All targets work in a fresh clone with only Python 3.11 or newer and make: each one first installs
# its dependencies into .venv, with your configuration of pip.

PYTHON ?= python3
PORT ?= 3000
# Folder of lake, warehouse and Dagster's home. `make clean` does not delete it.
export CHARGING_HOME ?= $(CURDIR)/.charging

export PIP_DISABLE_PIP_VERSION_CHECK := 1
# Without bytecode each process of the tests would compile this package again.
unexport PYTHONDONTWRITEBYTECODE

VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed

.DEFAULT_GOAL := help
.PHONY: help install demo live ui test slow lint bench faults e2e dashboard pictures demo-aws verify-redshift audit rehearsal wheel clean

help: ## show this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "make %-15s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

install: $(INSTALLED) ## create the environment in .venv from requirements.lock

$(INSTALLED): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "error: $(PYTHON) is missing or older than Python 3.11;" \
	    "choose one: make $(or $(MAKECMDGOALS),install) PYTHON=/path/to/python3.11" >&2; \
	  exit 1; }
	@echo "installing into $(VENV): a minute or two, once"
	@$(PYTHON) -m venv --clear $(VENV)
	@# The lock is complete, so pip need not resolve dependencies.
	@$(BIN)/python -m pip install --quiet --no-deps --require-hashes --requirement requirements.lock
	@$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

demo: $(INSTALLED) ## simulate two days, load them and print a report
	@$(BIN)/charging-assets demo

demo-aws: $(INSTALLED) ## the demo with S3 and Redshift on loopback; compare its tables
	@$(BIN)/python -m charging_assets_tests.demo_aws

live: $(INSTALLED) ## poll the real APIs now and every ten minutes, with the UI
	@$(BIN)/charging-assets live --port $(PORT)

ui: $(INSTALLED) ## start Dagster's UI on 127.0.0.1, without polling
	@$(BIN)/charging-assets ui --port $(PORT)

dashboard: $(INSTALLED) ## serve the dashboard on 127.0.0.1, read-only
	@$(BIN)/charging-assets dashboard

test: lint ## lint, then all tests except slow, faults and e2e (6 min)
	$(BIN)/python -m pytest -n 2 --dist worksteal -m "not slow and not faults and not e2e and not redshift" $(PYTEST_ARGS)

slow: $(INSTALLED) ## tests that load many times: any order of hours, rebuilds (20 min)
	$(BIN)/python -m pytest -n 2 --dist worksteal -m "slow and not redshift" $(PYTEST_ARGS)

lint: $(INSTALLED) ## ruff, mypy --strict, import layers, sqlfluff
	@$(MAKE) --no-print-directory --jobs=2 --output-sync=target lint-python lint-sql

.PHONY: lint-python lint-sql
lint-python:
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports --no-cache
	$(BIN)/mypy

lint-sql:
	$(BIN)/sqlfluff lint --disable-progress-bar --processes 2 sql

bench: $(INSTALLED) ## measure performance goals, into build/bench.json
	@mkdir -p build
	$(BIN)/python -m charging_assets_tests.bench

.PHONY: fuzz
fuzz: $(INSTALLED) ## random feeds files, imports and addresses, FUZZ_SECONDS (60) each
	for kind in feeds imports addresses; do \
	  $(BIN)/python -W ignore -m charging_assets_tests.fuzz $$kind $(or $(FUZZ_SECONDS),60) || exit 1; \
	done

.PHONY: score
score: $(INSTALLED) ## compare the figures of simulated weeks with the truth (1 h)
	@mkdir -p build
	$(BIN)/python -m charging_assets_tests.truth $(SCORE_ARGS)

.PHONY: recompute
recompute: $(INSTALLED) ## recompute all figures from raw objects and print differences
	@$(BIN)/python -m charging_assets_tests.recompute

faults: $(INSTALLED) ## kill processes, break disks and answers, into build/faults.json (8 min)
	@mkdir -p build
	$(BIN)/python -m pytest -n 2 --dist worksteal -m "faults or fault" --fault-report=build/faults.json $(PYTEST_ARGS)

e2e: $(INSTALLED) ## test the dashboard in Chromium, which is installed if missing (3 min)
	@command -v chromium chromium-browser google-chrome chrome >/dev/null || \
	  test -n "$$CHARGING_CHROMIUM" || \
	  { command -v apt-get >/dev/null && test "$$(id -u)" = 0 && \
	    apt-get update -qq && apt-get install -y -qq --no-install-recommends chromium >/dev/null; } || \
	  { echo "error: Chromium is not installed; run apt-get install chromium, or set CHARGING_CHROMIUM" >&2; \
	    exit 1; }
	$(BIN)/python -m pytest -m e2e charging_assets_tests/e2e $(PYTEST_ARGS)

verify-redshift: $(INSTALLED) ## verify the real Redshift in CHARGING_REDSHIFT_*, into build/verify-redshift.json (1 h)
	@$(BIN)/python -m charging_assets_tests.acceptance $(VERIFY_ARGS)

rehearsal: $(INSTALLED) ## ten minutes of live operation with many faults
	$(BIN)/python -m charging_assets_tests.rehearsal

audit: ## check the lock for known vulnerabilities; SKIPPED without a service
	@.ci/audit

pictures: $(INSTALLED) ## renew the README's pictures of the dashboard
	$(BIN)/python -m charging_assets_tests.e2e.pictures

wheel: $(INSTALLED) ## build the package into dist/
	$(BIN)/python -m pip wheel --quiet --no-deps --no-build-isolation --wheel-dir dist .

clean: ## delete the environment and build files; keep the data
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
