# Every target sets up what it needs: `make demo` and `make test` work in a fresh clone with Python 3.11+ and make.

PYTHON ?= python3
# Where no CPU build of torch is at hand: the CPU index that pytorch.org's installer page shows for pip.
TORCH_INDEX ?=
STACK ?= dev

BIN := .venv/bin
PIP := $(BIN)/python -m pip install --disable-pip-version-check --constraint constraints.txt
DEMO := requirements.txt handlers/requirements.txt workbench/requirements.txt
TEST := $(DEMO) tests/requirements.txt

.DEFAULT_GOAL := help
.PHONY: help demo test test-models test-mutants test-images test-networks test-browser local-pulumi check format bench models demo-models example-report clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: .venv/.demo ## deploy the stack on this machine, ask every endpoint, take everything down
	$(BIN)/python -m workbench demo

test: .venv/.test policy/.venv/.pack ## run the tests
	$(BIN)/python -m pytest

test-models: .venv/.prepare ## run the tests that need torch: export, proof, engine torch
	$(BIN)/python -m pytest --timeout 900 --numprocesses auto --dist loadgroup tests/handlers/frameworks tests/local/frameworks tests/models/frameworks

local-pulumi: .venv/.demo policy/.venv/.pack ## deploy to the emulator with the Pulumi CLI and Docker (exit code 3 without them)
	$(BIN)/python -m workbench local pulumi

test-mutants: .venv/.test ## put faults into the program one by one, and see the tests find each
	$(BIN)/python -m tests.mutants

test-images: .venv/.test ## build the images, run them as Lambda does, and push them; needs Docker Engine
	TORCH_INDEX=$(TORCH_INDEX) $(BIN)/python -m pytest --timeout 900 tests/images

test-networks: .venv/.bench ## run the tests of the networks that the bench models, which need nginx and FUSE
	@command -v fusermount3 > /dev/null && test -e /usr/lib/nginx/modules/ngx_http_echo_module.so \
		|| { [ "$$(id -u)" = 0 ] && command -v apt-get > /dev/null && apt-get update -qq \
		&& apt-get install -y -qq --no-install-recommends nginx-light libnginx-mod-http-echo fuse3; } \
		|| { echo "make test-networks needs nginx with its echo module and FUSE; on Debian: apt-get install nginx-light libnginx-mod-http-echo fuse3"; exit 1; }
	$(BIN)/python -m pytest tests/networks

test-browser: .venv/.test ## look at a report in Chromium, which is installed where that can be done (root on Debian)
	@command -v chromedriver > /dev/null || { [ "$$(id -u)" = 0 ] && command -v apt-get > /dev/null && apt-get update -qq \
		&& apt-get install -y -qq chromium chromium-driver; } \
		|| { echo "make test-browser needs Chromium and its driver; on Debian: apt-get install chromium chromium-driver"; exit 1; }
	$(BIN)/python -m pytest tests/browser

check: .venv/.test policy/.venv/.pack ## lint, formatting and types
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/pyright
	$(BIN)/pyright --project policy

format: .venv/.test ## put the code into the project's format
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

bench: .venv/.bench ## measure a full-size model beside plain handlers, and say which targets hold (a quarter of an hour)
	$(BIN)/python -m workbench bench --full-size --compare --targets workbench/bench/targets.json --json .bench/speed.json

models: .venv/.prepare ## fetch, export and prove the models of a stack (STACK=dev)
	$(BIN)/python -m workbench models prepare --stack $(STACK)

demo-models: .venv/.prepare ## train the two demo models again (about twenty minutes)
	$(BIN)/python -m workbench.models.demo.train

example-report: .venv/.demo ## write docs/example-report.html and .md again, from docs/example-bench.json
	$(BIN)/python -m workbench report --bench docs/example-bench.json --html docs/example-report.html \
		--markdown docs/example-report.md

clean: ## remove what the other targets made
	rm -rf .venv policy/.venv .local .build .bench .pytest_cache .ruff_cache

.venv/.python:
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "Python 3.11 or later is needed, and $(PYTHON) is %d.%d; set PYTHON=..." % sys.version_info[:2])'
	$(PYTHON) -m venv .venv
	@touch $@

.venv/.demo: .venv/.python $(DEMO) constraints.txt
	@echo "Installing what the local stack needs into .venv; the first time takes a minute or two"
	$(PIP) $(DEMO:%=--requirement %)
	@touch $@

.venv/.test: .venv/.python $(TEST) constraints.txt
	@echo "Installing what the tests need into .venv; the first time takes a minute or two"
	$(PIP) $(TEST:%=--requirement %)
	@touch $@ .venv/.demo

# The policy SDK and the program disagree about protobuf, and the Pulumi CLI gives a pack an environment of its own, too.
policy/.venv/.pack: .venv/.python policy/requirements.txt policy/constraints.txt
	$(PYTHON) -m venv policy/.venv
	policy/.venv/bin/python -m pip install --disable-pip-version-check --constraint policy/constraints.txt --requirement policy/requirements.txt
	@touch $@

.venv/.prepare: .venv/.test workbench/models/requirements.txt
	$(PIP) $(if $(TORCH_INDEX),--extra-index-url $(TORCH_INDEX)) --requirement workbench/models/requirements.txt
	@touch $@

.venv/.bench: .venv/.prepare workbench/bench/requirements.txt
	$(PIP) --requirement workbench/bench/requirements.txt
	@touch $@
