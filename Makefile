# The two commands of the README, and what they are made of. Needs Python 3.10 or newer and make.

PYTHON ?= python3
VENV ?= .venv
# Installed first: a small CPU build where the package index serves one. For CUDA: make demo TORCH=torch
TORCH ?= torch==2.13.0
BIN := $(VENV)/bin
# Each process holds torch, so no more than eight.
ON_ALL_CORES := -n auto --maxprocesses 8 --dist worksteal

.PHONY: demo test test-fast check format fuzz docs install

demo: $(VENV)/.installed  ## install nsp, denoise a real photo, show the result
	@mkdir -p demo
	$(BIN)/nsp denoise tests/data/sample_noisy.jpg -o demo/sample_denoised.jpg --overwrite --open
	$(BIN)/nsp evaluate tests/data/sample_noisy.jpg tests/data/sample_clean.png

test: $(VENV)/.installed-dev  ## install nsp and pass its tests
	$(BIN)/python -m pytest $(ON_ALL_CORES)

test-fast: $(VENV)/.installed-dev  ## the tests that take a moment each
	$(BIN)/python -m pytest $(ON_ALL_CORES) -m "not slow"

check: $(VENV)/.installed-dev  ## lint, format and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

fuzz: $(VENV)/.installed-dev  ## 13,000 damaged photos and weights files; no option changes what they are
	PYTHONPATH=.:tests $(BIN)/python -m fuzz

docs: $(VENV)/.installed  ## write the page of all options anew
	$(BIN)/python -m nsp_cli.cli.reference .github/docs/options.md

format: $(VENV)/.installed-dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

install: $(VENV)/.installed-dev

$(VENV)/.installed: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet $(TORCH)
	$(BIN)/python -m pip install --quiet --editable .
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.installed
	$(BIN)/python -m pip install --quiet --editable ".[dev]"
	@touch $@
