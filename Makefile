# make setup    install everything into .venv/ in this checkout (with uv if it is there, else pip)
# make demo     toy data, two trained models, predictions and a table that compares them
# make test     all tests; ARGS="tests/ops -x" chooses
# make lint     formatting, rules, types, import layers; make format mends the first two
# make clean    remove what these commands made, .venv excepted
#
# PYTHON=/path/to/python3.12 chooses the interpreter (3.11 or newer) that .venv is made from.

PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
INSTALLED := .venv/.installed
DEMO ?= demo

.PHONY: setup demo test lint format constraints clean

setup: $(INSTALLED)

$(INSTALLED): pyproject.toml setup.py constraints.txt
	@if command -v uv >/dev/null; then \
		uv venv --quiet --allow-existing --python "$(PYTHON)" .venv && \
		uv pip install --python $(BIN)/python --constraints constraints.txt --editable '.[dev]'; \
	else \
		"$(PYTHON)" -m venv .venv && \
		$(BIN)/python -m pip install --quiet --upgrade pip && \
		$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'; \
	fi
	@touch $@

demo: setup
	$(BIN)/litpose demo --out $(DEMO)

# One thread a worker: two workers with two threads each are slower on two cores.
test: setup
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -n logical --maxprocesses 8 --dist loadfile $(ARGS)

lint: setup
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/pyright
	$(BIN)/lint-imports

format: setup
	$(BIN)/ruff check --quiet --fix-only .
	$(BIN)/ruff format .

# Write down the versions that are installed now, after trying them.
constraints: setup
	@$(BIN)/python -c "import re; from importlib.metadata import distributions; \
		ours = {'lightning-pose-rebuilt', 'pip'}; \
		pins = {re.sub('[-_.]+', '-', d.name).lower() + '==' + d.version for d in distributions() if d.name not in ours}; \
		print('# The versions that were tested together; written by make constraints.', *sorted(pins), sep='\n')" \
		> constraints.txt

clean:
	rm -rf build dist *.egg-info .pytest_cache .ruff_cache .import_linter_cache $(DEMO)
