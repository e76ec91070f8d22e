# The project's commands; `make help` lists them. Nothing but Python 3.11+ and make is needed.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
SETUP := $(VENV)/.set-up-$(shell cat requirements/dev.txt pyproject.toml | cksum | cut -d' ' -f1)
TEST_PROCESSES ?= 2

.PHONY: help setup demo test faults lint types docs translations bench clean

help: ## List these commands
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-13s %s\n", $$1, $$2}'

setup: $(SETUP) ## Set up .venv; then .venv/bin/portico is there

$(SETUP): requirements/dev.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(0 if (3, 11) <= sys.version_info[:2] <= (3, 14) else "Portico needs Python 3.11 to 3.14; this is " + sys.version.split()[0] + ". Name another one: make PYTHON=python3.12")'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "Setting up $(VENV) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --only-binary :all: -r requirements/dev.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-index --no-deps --no-build-isolation --editable .
	@rm -f $(VENV)/.set-up-*
	@touch $@

demo: setup ## Start everything on this machine with sample data (Ctrl-C stops it)
	@exec $(BIN)/portico up --demo $(if $(DATA),--data $(DATA)) $(if $(PORT_BASE),--port-base $(PORT_BASE))

test: setup ## Run all tests
	@$(BIN)/python -m pytest -n $(TEST_PROCESSES) --dist loadgroup --ignore=tests/e2e --ignore=tests/faults $(PYTEST_ARGS)
	@$(BIN)/python -m pytest tests/e2e $(PYTEST_ARGS)
	@$(BIN)/python -m pytest tests/faults $(PYTEST_ARGS)

lint: setup ## Check style, the direction of imports, and that generated documents are current
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/lint-imports
	@$(BIN)/python -m ops.documents --check
	@$(BIN)/python -m ops.translations --check

types: setup ## Check types
	@$(BIN)/mypy

docs: setup ## Write the generated documents (docs/EVENTS.md)
	@$(BIN)/python -m ops.documents

translations: setup ## Bring the catalogues of the e-mails up to date, and say what is not translated
	@$(BIN)/python -m ops.translations

faults: setup ## Play every fault for long, under load, and print the account of each (about a quarter of an hour)
	@$(BIN)/python -m tests.faults --long $(FAULTS_ARGS)

bench: setup ## Measure throughput against this machine's own limits
	@$(BIN)/python -m ops.bench $(BENCH_ARGS)

clean: ## Remove .venv and caches (the demo's data in .portico stays)
	@rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .import_linter_cache portico.egg-info
