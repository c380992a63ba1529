# Quickthorn.  `make help` lists what there is; every target makes the environment it needs, from Python and the
# package index alone.
SHELL := /bin/sh
.DEFAULT_GOAL := help
MAKEFLAGS += --warn-undefined-variables --no-print-directory

# Python 3.11 or later; for instance `make test PYTHON=python3.13`.
PYTHON ?= python3
# What `make conformance` and `make release-check` run: names of folders below clients, all of them by default.
LANGUAGES ?=
# REQUIRED=1: in those two and in `make tools-check` a missing toolchain is a failure.
REQUIRED ?=
# How long `make bench` takes: full or short.
BENCH ?= full
# How much `make bench-hedging` judges: full or short.
HEDGING ?= full
# KEEP=1: `make bench-hedging` replaces the figures, pictures and tables that the project shows.
KEEP ?=
# How long `make chaos` takes: full or short.
CHAOS ?= full
BIN := .venv/bin
CODE := server clients/python tests examples bench tools

.PHONY: help
help: ## List the targets
	@while IFS= read -r line; do case "$$line" in [a-z]*:*'## '*) printf '  %-14s %s\n' "$${line%%:*}" "$${line#*'## '}";; esac; done <Makefile

.PHONY: python run develop
python:
	@$(PYTHON) -c 'import sys; sys.exit("Quickthorn needs Python 3.11 or later, and $(PYTHON) is " + sys.version.split()[0] + "; take another: make PYTHON=/path/to/python3 ..." if sys.version_info < (3, 11) else 0)'

run: python
	@$(PYTHON) -m tools.environment run

develop: python
	@$(PYTHON) -m tools.environment develop

.PHONY: demo
demo: run ## See it work: a real model streams, a slow backend is overtaken, a dead one survived
	@$(BIN)/quickthorn local pull
	@$(BIN)/python examples/demo/demo.py

.PHONY: test
test: develop ## Run every test
	@$(BIN)/quickthorn local pull
	@$(BIN)/python -m pytest -q

.PHONY: check
check: lint type generated readme ## Everything short of the tests: lint, types, generated code, README

.PHONY: lint
lint: develop ## Style of the code and of the contract
	@$(BIN)/ruff check --output-format concise $(CODE)
	@$(BIN)/ruff format --check $(CODE)
	@$(BIN)/buf lint
	@$(BIN)/buf format -d --exit-code
	@$(BIN)/buf breaking --against proto/proto-v1.binpb

.PHONY: type
type: develop ## Types, strictly
	@$(BIN)/mypy $(CODE)

.PHONY: generate
generate: develop ## Write the code of every language whose toolchain is here from the contract
	@$(BIN)/python -m tools.generate

.PHONY: generated
generated: develop
	@$(BIN)/python -m tools.generate --check

.PHONY: readme
readme: develop
	@$(BIN)/python -m tools.readme --check

.PHONY: bench
bench: develop ## Measure CPU and latency beside two floors, 4 minutes; BENCH=short for one
	@$(BIN)/python -m bench.run $(BENCH)

.PHONY: bench-hedging
bench-hedging: develop ## Judge the hedging policy beside the optimum, 25 minutes; HEDGING=short for half of one; KEEP=1
	@$(BIN)/python -m bench.hedging $(HEDGING) $(if $(KEEP),--keep bench/results/hedging)
	@$(if $(KEEP),$(BIN)/python -m bench.hedging.plots && $(BIN)/python -m bench.hedging.page)

.PHONY: chaos
chaos: develop ## Break providers on purpose and see what callers notice, 17 minutes; CHAOS=short for 7
	@$(BIN)/python -m tests.chaos $(CHAOS)

.PHONY: conformance
conformance: develop ## Prove the clients of every language whose toolchain is here by the same cases
	@$(BIN)/python -m tests.conformance $(if $(REQUIRED),--required) $(foreach name,$(LANGUAGES),--language $(name))

.PHONY: fuzz
fuzz: develop ## Read 100,000 broken answers of each provider, 2,000 through the server; minutes
	@$(BIN)/python -m tests.replay.fuzz

.PHONY: lowest
lowest: python ## Run the tests on the oldest dependencies that are supported
	@$(PYTHON) -m tools.lowest

.PHONY: wheels
wheels: develop ## Build both distributions, install them into an empty environment, try them
	@$(BIN)/python -m tools.wheels

.PHONY: release-check
release-check: develop ## Build the package of every language, install it into an empty project, make a call
	@$(BIN)/python -m tools.release $(if $(REQUIRED),--required) $(foreach name,$(LANGUAGES),--language $(name))

.PHONY: tools-check
tools-check: develop ## Call a server with grpcurl, buf curl, grpc-health-probe and ghz, by the commands of the README
	@$(BIN)/python -m tools.public_tools $(if $(REQUIRED),--required)

.PHONY: lock
lock: develop ## Pin the dependencies anew
	@$(BIN)/python -m tools.lock

.PHONY: clean
clean: ## Remove what was made
	@rm -rf .venv .venv-* build clients/*/build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
