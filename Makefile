# `make demo` trains a small model, draws its futures and writes the report; `make test` runs the tests. Both first
# make a virtual environment in .venv with the Python that PYTHON names.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
DEMO_RUN := runs/demo

.PHONY: demo test test-slow lint
.DELETE_ON_ERROR:

demo: $(VENV)/.installed
	$(BIN)/python bin/train.py --flagfile=demo.flags --run_dir=$(DEMO_RUN)
	$(BIN)/python bin/generate.py --run_dir=$(DEMO_RUN) --n_clips=100
	$(BIN)/python bin/evaluate.py --run_dir=$(DEMO_RUN) --n_clips=100
	$(BIN)/python bin/uncertainty.py --run_dir=$(DEMO_RUN)

test: $(VENV)/.installed
	$(BIN)/python -m pytest -m "not slow" --numprocesses=2 --dist=loadfile

test-slow: $(VENV)/.installed
	$(BIN)/python -m pytest -m slow

lint: $(VENV)/.installed
	$(BIN)/ruff check .
	$(BIN)/mypy

$(VENV)/.installed: setup.py
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --editable '.[dev]'
	touch $@
