# The targets first make a virtual environment in VENV with the interpreter PYTHON.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin

.PHONY: demo demo-long test test-slow lint
.DELETE_ON_ERROR:

# Futures of the model that ships, then a short training and the same for the new model.
demo: $(VENV)/.installed
	$(BIN)/svg-tf generate --preset=moving_digits
	$(BIN)/svg-tf evaluate --preset=moving_digits --n_clips=20
	$(BIN)/svg-tf train --flagfile=demo.flags
	$(BIN)/svg-tf generate --run_dir=runs/demo
	$(BIN)/svg-tf evaluate --run_dir=runs/demo --n_clips=20 --compare=moving_digits

# The training of the model that ships.
demo-long: $(VENV)/.installed
	$(BIN)/svg-tf train --flagfile=moving_digits.flags
	$(BIN)/svg-tf evaluate --run_dir=runs/moving_digits
	$(BIN)/svg-tf uncertainty --run_dir=runs/moving_digits

test: $(VENV)/.installed
	$(BIN)/python -m pytest -m "not slow" --numprocesses=2 --dist=loadfile

test-slow: $(VENV)/.installed
	$(BIN)/python -m pytest -m slow

lint: $(VENV)/.installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

$(VENV)/.installed: setup.py
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --editable '.[dev]'
	touch $@
