# Everything is set up in .venv from the project's own files; nothing else is needed but Python
# 3.11 or newer and make.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
PYTEST := $(BIN)/python -m pytest
# The tests of a file share what they have made; each process may have TensorFlow in memory.
IN_PARALLEL := -n auto --maxprocesses 4 --dist loadfile

.DEFAULT_GOAL := help
.PHONY: help demo test test-slow check docs gallery fix clean

help: ## list what can be made
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1  \2/' | column -t -s '	'

demo: $(VENV)/installed ## the whole program once, in ./bottlebank-demo
	$(BIN)/bottlebank demo

test: $(VENV)/installed-test ## the tests, but for the slow ones
	$(PYTEST) -m "not slow" $(IN_PARALLEL)

test-slow: $(VENV)/installed-test ## the long fault, load and scale runs
	$(PYTEST) -m slow

check: $(VENV)/installed-check ## format, lint, types, import directions, tests; changes nothing
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/basedpyright
	$(BIN)/lint-imports
	$(PYTEST) -m "not slow" $(IN_PARALLEL)

docs: $(VENV)/installed-check ## the documentation, in docs/_build/html; warnings are errors
	$(BIN)/sphinx-build -W --keep-going --quiet docs docs/_build/html

gallery: $(VENV)/installed-check ## docs/gallery.md and its pictures, with a Chromium that is installed
	$(BIN)/python docs/make_gallery.py

fix: $(VENV)/installed-check ## format and mend what can be mended
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

clean: ## remove the environment, and what the demo and the documentation made
	rm -rf $(VENV) bottlebank-demo build *.egg-info docs/_build docs/commands docs/reference

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/installed: setup.cfg pyproject.toml | $(BIN)/python
	$(PIP) install --editable .
	@touch $@

$(VENV)/installed-test: setup.cfg pyproject.toml | $(BIN)/python
	$(PIP) install --quiet --editable '.[test]'
	@touch $@ $(VENV)/installed

$(VENV)/installed-check: setup.cfg pyproject.toml | $(BIN)/python
	$(PIP) install --quiet --editable '.[check]'
	@touch $@ $(VENV)/installed $(VENV)/installed-test
