# The two commands: `make up` brings the gateway up in the sandbox, `make test` runs everything CI runs.
# Both can be run again at any time; what is there already is not made again.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

# The first that runs and is new enough: a version manager's shim may be on PATH without a version behind it.
PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
VENV := .venv/bin
STAMPS := .portcullis/installed

.PHONY: help up down test lint test-python test-worker install

help: ## Show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

up: install ## Install all that is needed and bring the gateway up in the sandbox
	@$(VENV)/python -m portcullis.cli.bring_up

down: ## Stop the sandbox; what it holds is kept
	@$(VENV)/portcullis sandbox stop

test: install lint test-worker test-python ## Run everything CI runs

lint:
	@echo "== lint and types: Python"
	@$(VENV)/ruff format --check .
	@$(VENV)/ruff check .
	@$(VENV)/basedpyright
	@echo "== lint and types: Worker"
	@cd worker && npm run --silent lint && npm run --silent typecheck
	@echo "== lint: proxy bundle"
	@cd apigee_bundle && npm run --silent lint

test-worker:
	@echo "== tests: Worker (in workerd)"
	@cd worker && npm test --silent

test-python:
	@echo "== tests: Python, sandbox"
	@$(VENV)/python -m pytest -n 2 --dist loadfile --ignore tests/e2e
	@echo "== tests: end to end"
	@$(VENV)/python -m pytest tests/e2e

install: $(STAMPS)/python $(STAMPS)/worker $(STAMPS)/bundle
	@$(VENV)/python -m engine.install

$(STAMPS)/python: requirements.lock pyproject.toml
	@bash install/check-tools.sh python "$(PYTHON)"
	@echo "== installing the Python packages of requirements.lock into .venv"
	@test -x $(VENV)/python || "$(PYTHON)" -m venv .venv
	@$(VENV)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@$(VENV)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@mkdir -p $(STAMPS) && touch $@

$(STAMPS)/worker: worker/package-lock.json
	@bash install/check-tools.sh node
	@echo "== installing the Worker's packages of worker/package-lock.json"
	@cd worker && npm ci --loglevel=error --no-audit --no-fund
	@mkdir -p $(STAMPS) && touch $@

$(STAMPS)/bundle: apigee_bundle/package-lock.json
	@bash install/check-tools.sh node
	@echo "== installing the bundle's linter of apigee_bundle/package-lock.json"
	@cd apigee_bundle && npm ci --loglevel=error --no-audit --no-fund
	@mkdir -p $(STAMPS) && touch $@
