# make ask: set up, fetch the models, and open the prompt over a demo memory.   make test: set up and run the tests.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
DEMO := .demo/memory.db

.PHONY: ask test lint docs setup clean

ask: $(BIN)/.installed
	@mkdir -p $(dir $(DEMO))
	@$(BIN)/serac models pull smollm2-135m-instruct 1>&2
	@test -e $(DEMO) || $(BIN)/serac edit apply examples/edits.csv --memory $(DEMO) 1>&2
	@$(BIN)/serac ask --memory $(DEMO)

test: $(BIN)/.installed-dev
	$(BIN)/serac models pull smollm2-135m-instruct
	$(BIN)/pytest

lint: $(BIN)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

docs: $(BIN)/.installed-dev
	$(BIN)/python -m typer serac_cli.app utils docs --name serac --output docs/commands.md

setup: $(BIN)/.installed-dev

$(BIN)/python:
	@$(PYTHON) -m venv $(VENV) 1>&2

# The release that serac is tested with; any that pyproject.toml admits will do, as in make ask TORCH=torch.
TORCH ?= torch==2.13.0
$(BIN)/.installed: pyproject.toml | $(BIN)/python
	@echo "setting up $(VENV) ..." 1>&2
	@$(BIN)/pip install --quiet "$(TORCH)" 1>&2
	@$(BIN)/pip install --quiet --editable . 1>&2
	@touch $@

$(BIN)/.installed-dev: pyproject.toml $(BIN)/.installed
	$(BIN)/pip install --quiet --editable ".[dev]" 1>&2
	@touch $@

clean:
	rm -rf $(VENV) .demo .mypy_cache .ruff_cache .pytest_cache
