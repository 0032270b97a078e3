# Everything starts from a fresh clone with nothing but Python 3.11 or newer and make: each target
# installs what it needs into .venv first. pip is used as you have configured it.

PYTHON ?= python3
PORT ?= 3000
# Where the data lives: lake, warehouse and Dagster's home. `make clean` does not touch it.
export CHARGING_HOME ?= $(CURDIR)/.charging

export PIP_DISABLE_PIP_VERSION_CHECK := 1

VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed

.DEFAULT_GOAL := help
.PHONY: help install demo live ui test slow lint bench faults e2e dashboard pictures demo-aws verify-redshift audit rehearsal wheel clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "make %-15s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

install: $(INSTALLED) ## the environment in .venv, from requirements.lock

$(INSTALLED): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "error: $(PYTHON) is missing or older than Python 3.11;" \
	    "say which one to use: make $(or $(MAKECMDGOALS),install) PYTHON=/path/to/python3.11" >&2; \
	  exit 1; }
	@echo "installing into $(VENV): a minute or two, once"
	@$(PYTHON) -m venv --clear $(VENV)
	@# The lock names all that is needed: pip need not resolve anything.
	@$(BIN)/python -m pip install --quiet --no-deps --require-hashes --requirement requirements.lock
	@$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

demo: $(INSTALLED) ## two simulated days through the whole pipeline, and what they say
	@$(BIN)/charging-assets demo

demo-aws: $(INSTALLED) ## the same with S3 and Redshift on loopback, and their tables compared
	@$(BIN)/python -m charging_assets_tests.demo_aws

live: $(INSTALLED) ## ask the real APIs now and every ten minutes, with the UI
	@$(BIN)/charging-assets live --port $(PORT)

ui: $(INSTALLED) ## Dagster's UI on 127.0.0.1, with what was loaded; polls nothing
	@$(BIN)/charging-assets ui --port $(PORT)

dashboard: $(INSTALLED) ## maps and curves of what is loaded, on 127.0.0.1; reads only
	@$(BIN)/charging-assets dashboard

test: lint ## lint, then all tests but those that take long (slow, faults, e2e)
	$(BIN)/python -m pytest -n 2 -m "not slow and not faults and not e2e and not redshift" $(PYTEST_ARGS)

slow: $(INSTALLED) ## the tests that load many times: any order of hours, rebuilds
	$(BIN)/python -m pytest -n 2 --dist loadgroup -m "slow and not redshift" $(PYTEST_ARGS)

lint: $(INSTALLED) ## ruff, mypy --strict, sqlfluff
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/sqlfluff lint --disable-progress-bar sql

bench: $(INSTALLED) ## measure the goals, into build/bench.json
	@mkdir -p build
	$(BIN)/python -m charging_assets_tests.bench

.PHONY: fuzz
fuzz: $(INSTALLED) ## random input of others for FUZZ_SECONDS each: feeds files, imports, addresses
	for kind in feeds imports addresses; do \
	  $(BIN)/python -W ignore -m charging_assets_tests.fuzz $$kind $(or $(FUZZ_SECONDS),60) || exit 1; \
	done

.PHONY: score
score: $(INSTALLED) ## weeks of simulated life against what the warehouse says of them: an hour
	@mkdir -p build
	$(BIN)/python -m charging_assets_tests.truth $(SCORE_ARGS)

.PHONY: recompute
recompute: $(INSTALLED) ## every figure again from raw objects, by other code; what differs in the warehouse
	@$(BIN)/python -m charging_assets_tests.recompute

faults: $(INSTALLED) ## kill processes, break disks and answers, into build/faults.json
	@mkdir -p build
	$(BIN)/python -m pytest -n 2 --dist loadfile -m "faults or fault" --fault-report=build/faults.json $(PYTEST_ARGS)

e2e: $(INSTALLED) ## look at the dashboard in Chromium, which is installed where none is found
	@command -v chromium chromium-browser google-chrome chrome >/dev/null || \
	  test -n "$$CHARGING_CHROMIUM" || \
	  { command -v apt-get >/dev/null && test "$$(id -u)" = 0 && \
	    apt-get update -qq && apt-get install -y -qq --no-install-recommends chromium >/dev/null; } || \
	  { echo "error: there is no Chromium; apt-get install chromium, or set CHARGING_CHROMIUM" >&2; \
	    exit 1; }
	$(BIN)/python -m pytest -m e2e charging_assets_tests/e2e $(PYTEST_ARGS)

verify-redshift: $(INSTALLED) ## the contract tests on the real Redshift that CHARGING_REDSHIFT_* names
	CHARGING_VERIFY_REDSHIFT=1 $(BIN)/python -m pytest -n 0 -m redshift charging_assets_tests/storage $(PYTEST_ARGS)

rehearsal: $(INSTALLED) ## ten minutes of live operation with everything that goes wrong in a month
	$(BIN)/python -m charging_assets_tests.rehearsal

audit: ## known vulnerabilities in the lock; says SKIPPED where nobody can be asked
	@.ci/audit

pictures: $(INSTALLED) ## the README's pictures, taken of the dashboard in Chromium
	$(BIN)/python -m charging_assets_tests.e2e.pictures

wheel: $(INSTALLED) ## the package, into dist/
	$(BIN)/python -m pip wheel --quiet --no-deps --no-build-isolation --wheel-dir dist .

clean: ## remove all that make made, the environment too; data stays
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
