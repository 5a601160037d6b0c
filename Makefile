PYTHON ?= python3
BIN := .venv/bin

.PHONY: help install test test-all fuzz lint format types layers size gate check lock docs pictures bench latency clean

help:  ## show this
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' Makefile

install: .venv/installed  ## .venv with archcalc and all that the checks need
.venv/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/pip install -c constraints.txt -e '.[test]'
	@touch $@

test: install  ## the tests, those of the whole zoo for one model a family
	$(BIN)/pytest -n auto

test-all: install  ## the tests, for every model: three times as long
	$(BIN)/pytest -n auto --all

fuzz: install  ## an hour of what strangers may write; SECONDS=600 and SEED=1 say otherwise
	$(BIN)/python -m tests.fuzz --seconds $(or $(SECONDS),3600) $(if $(SEED),--seed $(SEED))

lint: install  ## rules and format
	$(BIN)/ruff check
	$(BIN)/ruff format --check

format: install  ## mend what can be mended
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

types: install  ## mypy --strict
	$(BIN)/mypy

layers: install  ## who imports whom
	$(BIN)/lint-imports

size: install  ## lines of the package by room, against their budgets
	$(BIN)/python -m tests.size

gate: install  ## the zoo against its lock
	$(BIN)/archcalc check tests/zoo.lock

check: test lint types layers size gate  ## all that CI does

lock: install  ## lock the zoo anew, where its numbers are meant to change
	rm -f tests/zoo.lock
	$(BIN)/archcalc lock specs/*.yaml --rows -o tests/zoo.lock

docs: install  ## write the generated pages and the JSON Schemas anew
	$(BIN)/python -m docs.generate

pictures: install  ## draw the pictures of the gallery and the README anew
	$(BIN)/python -m docs.gallery

bench: install  ## the benchmarks
	$(BIN)/python -m tests.benchmarks

latency: install  ## the benchmarks of measured latency, ten minutes on a machine that does nothing else
	$(BIN)/python -m tests.benchmarks.latency

clean:  ## remove what was built here
	rm -rf .venv .ci/venv .ci/light build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find archcalc tests -name __pycache__ -prune -exec rm -rf {} +
