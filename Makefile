# Needs Python 3.11+ and make; everything else comes from requirements.lock into .venv.
PYTHON ?= python3
STUDY ?= demo
FUZZ_SECONDS ?= 60
BIN := .venv/bin
export PATH := $(CURDIR)/$(BIN):$(PATH)

.PHONY: env demo report bench test test-all fuzz lint lock

env: .venv/.installed

# uv installs in seconds what takes pip minutes; its version too is the lock's. Compiling once keeps every later start
# short, also where Python may not write beside its modules.
.venv/.installed: requirements.lock pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet "$$(sed -n 's/^\(uv==[^ ]*\).*/\1/p' requirements.lock)"
	$(BIN)/uv pip sync --quiet --python $(BIN)/python --require-hashes --compile-bytecode requirements.lock
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	touch $@

demo: env
	snakemake --cores all

# A page of what is there already; STUDY=NAME for another study's.
report: env
	fbnet report --study $(STUDY)

test: env lint
	pytest -m "not slow"

# With the tests that take minutes each.
test-all: env lint
	pytest

# Both sides of every comparison in turn, on a machine with nothing else to do; some twenty minutes.
bench: env
	python -m benchmarks

# Damaged files of every kind, for so many seconds each; `make test` tries a few of them.
fuzz: env
	python -m tests.fuzz --seconds $(FUZZ_SECONDS)

lint: env
	ruff check .
	ruff format --check .
	snakefmt --check Snakefile workflow

lock:
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --extra dev --generate-hashes \
		--output-file requirements.lock pyproject.toml
