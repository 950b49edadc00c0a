# make demo   see it work on a small event store made of public-domain pictures
# make test   run every check and test
# make unit   run what needs nothing but Python, with a quarter of the random examples
# make docs   write what docs/cli.md says of each command from the commands
# Both need Python 3.11 to 3.13 with venv, and a network that reaches a Python package index.

VENV := .venv
BIN := $(VENV)/bin
LOCK := requirements/dev.lock
# Those of one file share what they have set up.
SIDE_BY_SIDE := --numprocesses auto --dist loadfile
# A module is compiled once, not in every one of the processes that tests start.
export PYTHONDONTWRITEBYTECODE :=
# The first Python that runs, has the right version and can make an environment.
CHECK := import sys, ensurepip; sys.exit(not (3, 11) <= sys.version_info < (3, 14))
PYTHON ?= $(shell for python in python3.13 python3.12 python3.11 python3; do \
  $$python -c '$(CHECK)' 2>/dev/null && { echo $$python; break; }; done)

.PHONY: demo test lint unit docs venv lock clean

demo: $(VENV)/.ready
	$(BIN)/python -m demo

test: lint
	$(BIN)/python -m pytest $(SIDE_BY_SIDE)

unit: $(VENV)/.ready
	$(BIN)/python -m pytest $(SIDE_BY_SIDE) --hypothesis-profile quick tests/unit

lint: $(VENV)/.ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

docs: $(VENV)/.ready
	$(BIN)/python docs/generate.py

venv: $(VENV)/.ready

$(VENV)/.ready: $(LOCK) setup.py
	@test -n "$(PYTHON)" || { echo "needs Python 3.11 to 3.13 with venv: sudo apt install python3-venv"; exit 1; }
	$(PYTHON) -m venv --clear $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r $(LOCK)
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps -e .
	@touch $@

# Renew the pinned versions; needs the `uv` program.
lock:
	uv pip compile setup.py --extra test --extra demo --extra reference --extra trainer --extra browse \
	  --universal --python-version 3.11 --upgrade \
	  --constraint requirements/constraints.txt --override requirements/overrides.txt \
	  --generate-hashes --no-annotate --no-header --no-emit-index-url -o $(LOCK)

clean:
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
