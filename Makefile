# The five commands to know. `make demo ARGS=--no-wait` ends by itself.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
ARGS ?=
MINUTES ?= 30
# Tests start hundreds of processes, each of which would compile every module again.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help setup demo test check bench soak docs clean

help: ## Show this list.
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 10

setup: $(VENV)/.ready ## Create .venv and install what requirements.lock pins.

$(VENV)/.ready: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "jissho needs Python 3.11 or later: make PYTHON=python3.11"; exit 1; }
	@echo "setting up $(VENV) (about a minute) ..."
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --requirement requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

demo: setup ## Run the whole line on this machine; ARGS="--seconds 20 --no-wait".
	@$(BIN)/jissho demo $(ARGS)

test: setup ## Every check and every test.
	@sh scripts/prepare-test-machine
	@$(MAKE) --no-print-directory check
ifeq ($(ARGS),)
	@sh scripts/run-every-test $(BIN)/python
else
	@$(BIN)/python -m pytest $(ARGS)
endif

check: setup ## Lint and types only.
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache | tail -n 3

bench: $(VENV)/.bench ## Measure speed; one JSON object a line.
	@$(BIN)/python -m tests.benchmarks $(ARGS)

$(VENV)/.bench: $(VENV)/.ready requirements-bench.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --requirement requirements-bench.lock \
		|| echo "peers that cannot be installed are skipped"
	@touch $@

soak: setup ## Break the line by seeded faults for MINUTES=30 (SEED=N repeats); prints what was survived.
	@$(BIN)/python -m tests.e2e.faults --minutes $(MINUTES) $(if $(SEED),--seed $(SEED))

docs: setup ## Rewrite the generated documents and migrations.
	@$(BIN)/python -m scripts.render_docs

clean: ## Remove .venv and caches.
	@rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis
