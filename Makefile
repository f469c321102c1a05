# Needs Python 3.11, 3.12 or 3.13 and make; everything else comes from requirements.lock into .venv.
PYTHON ?= python3
STUDY ?= demo
FUZZ_SECONDS ?= 60
BIN := .venv/bin
export PATH := $(CURDIR)/$(BIN):$(PATH)

.PHONY: env demo report bench gpu test test-all fuzz lint schemas docs lock

env: .venv/.installed

# uv, pinned in the lock like everything else, installs in seconds what takes pip minutes. Compiling the bytecode once
# keeps later starts short, even where Python may not write next to its modules.
.venv/.installed: requirements.lock pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet "$$(sed -n 's/^\(uv==[^ ]*\).*/\1/p' requirements.lock)"
	$(BIN)/uv pip sync --quiet --python $(BIN)/python --require-hashes --compile-bytecode requirements.lock
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	touch $@

demo: env
	snakemake --cores all

# HTML page of existing results; STUDY=NAME selects another study.
report: env
	fbnet report --study $(STUDY)

# Two workers, as many as the slowest supported machine has cores; an idle one takes over tests of the other.
test: env lint
	pytest -n 2 --dist worksteal -m "not slow"

# Includes the tests that take minutes each.
test-all: env lint
	pytest -n 2 --dist worksteal

# Run both sides of every comparison in turn; needs an otherwise idle machine and takes about twenty minutes.
bench: env
	python -m benchmarks

# Everything that only a GPU can show, in at most nine minutes. Uses the Python at hand, which needs torch, torchvision,
# pydantic, pytest and the small packages that `fbnet train` imports, but neither Snakemake nor DVC.
gpu:
	python3 -m pytest tests/gpu
	python3 -m benchmarks --device cuda

# Damaged files of every kind, FUZZ_SECONDS for each; `make test` tries a few of them.
fuzz: env
	python -m tests.fuzz --seconds $(FUZZ_SECONDS)

lint: env
	ruff check .
	ruff format --check .
	snakefmt --check Snakefile workflow
	lint-imports

# Regenerate the JSON schemas that editors check params/ against.
schemas: env
	python -m fbnet.config.schema

# Build the documentation into site/; needs no network.
docs: env
	mkdocs build --strict

lock:
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --extra dev --extra timm --extra lite0 \
		--generate-hashes --output-file requirements.lock pyproject.toml
