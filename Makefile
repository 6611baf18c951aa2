# The verbs of lazyzarr. Each makes its own virtual environment with the newest Python it finds (3.11 or newer):
#   make demo    see the main job run, under a minute         make check   lint, types, layout; the style scoreboard
#   make test    run all tests and doctests                   make bench   the benchmarks (Linux, about an hour)
#   make laws    3,000 random expressions against NumPy       make faults  1,000 misaligned writes, kills, failing calls
# PYTHON=... chooses another Python, VENV=... another place.   make clean   removes the environment
SHELL := /bin/sh
VENV ?= .venv
PYTHON ?= $(shell ./.ci/pythons | head -n 1 | cut -d' ' -f2-)
BIN := $(VENV)/bin
COMMA := ,
PYTEST_ARGS ?=
SAY = @echo "$$($(BIN)/python -V) in $(VENV), an environment of this Makefile's own (make clean removes it)"
BENCH_ARGS ?=

.PHONY: help demo test check format laws faults bench clean
help:
	@sed -n '1,/^# PYTHON/s/^# //p' Makefile

demo: $(VENV)/.demo
	$(SAY)
	@$(BIN)/lazyzarr demo

test: $(VENV)/.test
	$(SAY)
	$(BIN)/python -m pytest -n auto --maxprocesses 4 $(PYTEST_ARGS)

check: $(VENV)/.test
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/python -m pytest -q tests/test_layout.py
	$(BIN)/python tests/scoreboard.py

format: $(VENV)/.test
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

laws: $(VENV)/.test
	$(SAY)
	LAZYZARR_LAWS=3000 $(BIN)/python -m pytest -s tests/graph/test_laws.py tests/graph/test_laws_elsewhere.py

faults: $(VENV)/.test
	$(SAY)
	LAZYZARR_WRITES=1000 LAZYZARR_KILLS=60 LAZYZARR_DOCUMENTS=100000 LAZYZARR_KEYS=20000 LAZYZARR_ARRAYS=2000 LAZYZARR_CHAINS=5000 \
	    $(BIN)/python -m pytest -s \
	    tests/graph/test_one_writer.py tests/format/commit tests/format/test_locks.py tests/test_bad_input.py \
	    tests/format/test_mutated_documents.py tests/format/test_hostile_keys.py tests/format/test_random_arrays.py \
	    tests/format/codecs/test_random_chains.py

bench: $(VENV)/.bench
	$(SAY)
	$(BIN)/python benchmarks/run.py $(BENCH_ARGS)

# An environment that something else made is left alone: only ours carries the marker.
$(VENV)/.ours:
	@test -n "$(PYTHON)" || { echo "no Python from 3.11 to 3.14 with venv was found; install one, or say PYTHON=/path/to/python"; exit 1; }
	@test ! -e $(VENV) || { echo "$(VENV) exists and is not ours; say VENV=another-folder"; exit 1; }
	@echo "making $(VENV) with $(PYTHON)$(if $(filter file,$(origin PYTHON)),$(COMMA) the newest Python found)"
	@$(PYTHON) -m venv $(VENV) && touch $@

$(VENV)/.demo: pyproject.toml | $(VENV)/.ours
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable .
	@touch $@

$(VENV)/.test: pyproject.toml | $(VENV)/.ours
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[test]'
	@touch $@ $(VENV)/.demo

# The peers that only the benchmarks need: where they cannot be had, the tables are made without them.
$(VENV)/.bench: $(VENV)/.test
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[bench]' || \
	    echo "the peers of the extra bench could not be installed: they are left out"
	@touch $@

clean:
	@test ! -e $(VENV) || test -e $(VENV)/.ours || { echo "$(VENV) is not ours"; exit 1; }
	rm -rf $(VENV)
