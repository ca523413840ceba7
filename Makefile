# Needs make and Python 3.11 or newer with pip; everything else goes into .venv from constraints.txt.
#
#   make demo    train, measure and use a network on photographs of solar cells, in minutes
#   make test    the tests, but the slow ones
#   make check   the gate: format, lint, types, layers, tests
#   make slow    the tests that take minutes: many kills, a real browser, the demo, mutated files
#   make docs    write the pages of docs/ that follow from the package's data
#   make fidelity  measure how near each version is to its own tool, and write that page
#   make oracles   let TensorFlow and Chainer make the golden files of the tests again
#
# Variables: PYTHON (the interpreter to start from), VENV, MINUTES (the demo's time budget),
# INPUT_SIZE (of the demo's network), RUN (the demo's run directory), PYTEST_FLAGS.

PYTHON ?= python3
VENV ?= .venv
MINUTES ?= 4
# In so short a time more passes over small pictures teach more than fewer over large ones.
INPUT_SIZE ?= 96
RUN ?= runs/demo
PYTEST_FLAGS ?=
ORACLES ?= .oracles

BIN := $(VENV)/bin
GOOGLENET := $(BIN)/googlenet
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e
# A recipe's shell may lack what an interactive one has; a failed part of a pipe fails the target.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.NOTPARALLEL:
.DEFAULT_GOAL := help

.PHONY: help demo test check lint types layers slow benchmark docs fidelity oracles constraints clean

help:
	@sed -n 's/^#   //p' Makefile

demo: $(VENV)/.demo
	@echo "== 1. Train on photographs of solar cells: is a cell functional or defective?"
	$(GOOGLENET) train elpv --minutes $(MINUTES) --input-size $(INPUT_SIZE) --out $(RUN) --overwrite
	@echo "== 2. Measure the model on the photographs that training never saw"
	$(GOOGLENET) evaluate $(RUN)/best elpv
	@echo "== 3. Classify five of them"
	$(BIN)/python examples/held_out.py $(RUN) 5 | $(GOOGLENET) predict $(RUN)/best -
	@echo "== 4. The report of the run: open it in a browser"
	@echo "$(RUN)/report.html"

test: $(VENV)/.test
	$(BIN)/python -m pytest --numprocesses auto --dist loadfile $(PYTEST_FLAGS)

check: lint types layers test

lint: $(VENV)/.check
	$(BIN)/ruff format --check
	$(BIN)/ruff check

types: $(VENV)/.check
	$(BIN)/mypy

layers: $(VENV)/.check
	$(BIN)/lint-imports pyproject.toml

slow: $(VENV)/.test
	$(BIN)/python -m pytest -m slow --timeout 3600 $(PYTEST_FLAGS) \
	  --ignore-glob '*fuzz*'
	$(BIN)/python -m pytest -m slow --timeout 3600 --numprocesses auto $(PYTEST_FLAGS) \
	  tests/slow/test_fuzz_*.py

benchmark: $(VENV)/.test
	$(BIN)/python benchmarks/training.py
	$(BIN)/python benchmarks/reading.py

docs: $(VENV)/.test
	$(BIN)/python docs/build.py

fidelity: $(VENV)/.test
	rm -f docs/fidelity.jsonl
	GOOGLENET_FIDELITY_LOG=docs/fidelity.jsonl $(BIN)/python -m pytest tests/fidelity
	$(BIN)/python docs/build.py

# The tools whose answers the tests keep; each in an environment of its own, in Python 3.11.
oracles: $(ORACLES)/tensorflow/.installed $(ORACLES)/chainer/.installed
	for script in small slim inception5h keras_port; do \
	  TF_CPP_MIN_LOG_LEVEL=3 $(ORACLES)/tensorflow/bin/python -m tests.oracles.tensorflow.$$script; \
	done
	PYTHONHASHSEED=0 $(ORACLES)/chainer/bin/python -m tests.oracles.chainer.googlenet

$(ORACLES)/tensorflow/.installed: tests/oracles/tensorflow/requirements.txt
	$(PYTHON) -m venv $(ORACLES)/tensorflow
	$(ORACLES)/tensorflow/bin/python -m pip install --quiet --disable-pip-version-check -r $<
	@touch $@

# Chainer is built from source, by the tools of its time.
$(ORACLES)/chainer/.installed: tests/oracles/chainer/requirements.txt
	$(PYTHON) -m venv $(ORACLES)/chainer
	grep -E '^(numpy|setuptools|wheel)==' $< | $(ORACLES)/chainer/bin/python -m pip install \
	  --quiet --disable-pip-version-check -r /dev/stdin
	$(ORACLES)/chainer/bin/python -m pip install --quiet --disable-pip-version-check \
	  --no-build-isolation -r $<
	@touch $@

# Pins what the environment holds now; run it after an upgrade whose tests passed.
constraints: $(VENV)/.check
	{ sed '/^[^#]/,$$d' constraints.txt; \
	  $(BIN)/python -m pip freeze --all --exclude-editable \
	  | grep -viE '^(pip|wheel)==| @ ' | sed -E 's/\+[[:alnum:].]+$$//'; } > constraints.new
	mv constraints.new constraints.txt

clean:
	rm -rf $(VENV) build dist .mypy_cache .pytest_cache .ruff_cache .import_linter_cache

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "googlenet needs Python 3.11 or newer; say which: make PYTHON=python3.12 ..." >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)

# An install is repeated when what it installs has changed.
$(VENV)/.demo: $(BIN)/python pyproject.toml constraints.txt
	$(INSTALL) '.[torch,demo]'
	@touch $@

$(VENV)/.test: $(BIN)/python pyproject.toml constraints.txt
	$(INSTALL) '.[torch,demo,convert,test]'
	@touch $@

$(VENV)/.check: $(BIN)/python pyproject.toml constraints.txt
	$(INSTALL) '.[torch,demo,convert,test,check]'
	@touch $@
