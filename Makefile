# The verbs of this repository. `make help` lists them.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
export PYTHONPATH := operator
# Each of them takes one processor, but the unit tests: they run beside each other, and the output of each is printed at its end.
CHECKS := lint unit types imports verify audit-where-possible
BESIDE = $(MAKE) --no-print-directory --jobs=2 $(if $(filter output-sync,$(.FEATURES)),--output-sync=target)

.PHONY: help audit audit-where-possible docs setup setup-run setup-browser setup-servers fmt lint types imports check test test-api-server test-conformance test-databases test-cluster unit try demo images cluster cluster-down bench bench-apps bench-control bench-gateway bench-lock bench-matching bench-operator bench-plan bench-workers campaign soak generate verify lock pictures clean

help: ## list the verbs
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sort | awk -F ':.*## ' '{printf "  %-14s %s\n", $$1, $$2}'

$(VENV)/.run: requirements/run.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --no-compile --require-hashes --only-binary :all: -r requirements/run.txt
	touch $@

$(VENV)/.check: requirements/check.txt $(VENV)/.run
	$(BIN)/pip install --quiet --disable-pip-version-check --no-compile --require-hashes --only-binary :all: -r requirements/check.txt
	touch $@

$(VENV)/.dev: requirements/dev.txt $(VENV)/.check
	$(BIN)/pip install --quiet --disable-pip-version-check --no-compile --require-hashes -r requirements/dev.txt
	touch $@

setup-run: $(VENV)/.run ## a virtual environment that runs landfall
setup-servers: ## Debian's MariaDB and PostgreSQL 15, and what MySQL is unpacked with, where they are missing
	@tests/support/packages.sh servers
setup-browser: ## Debian's Chromium, which the tests look at the gateway's page with
	@tests/support/packages.sh browser
setup: setup-servers setup-browser $(VENV)/.dev ## everything that the tests need

fmt: $(VENV)/.check ## format the code
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

lint: $(VENV)/.check ## format and lint, without changing anything
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

types: $(VENV)/.check ## mypy --strict
	$(BIN)/mypy

imports: $(VENV)/.check ## the import contracts
	$(BIN)/lint-imports

generate: $(VENV)/.run ## write everything that is generated
	$(BIN)/python -m tests.support.generate

verify: $(VENV)/.run ## fail where something generated is out of date
	$(BIN)/python -m tests.support.generate --check

unit: $(VENV)/.check ## the tests that need no servers
	$(BIN)/pytest -q -n auto tests/unit

audit-where-possible: $(VENV)/.check
	$(BIN)/python -m tests.support.audit

audit: $(VENV)/.check ## hold what the image is made of against the known vulnerabilities; also fails if it cannot be checked
	$(BIN)/python -m tests.support.audit --strict

check: $(VENV)/.check ## all that needs nothing outside Python
	$(BESIDE) $(CHECKS)

test: setup ## everything, on servers that the tests start themselves
	$(BESIDE) $(CHECKS) docs
	$(BIN)/python -m tests.cluster everything --durations=15

test-databases: setup ## the engine, on real databases
	$(BIN)/pytest -q tests/integration

test-mariadb-11: setup ## what moves from MariaDB, with MariaDB 11.8 in place of Debian's
	LANDFALL_MARIADB=11.8 $(BIN)/pytest -q $$(grep -lE "\b(maria|either)\b" tests/integration/test_*.py)

test-conformance: setup ## every registered source engine and language against its contract, on real databases and folders
	$(BIN)/pytest -q tests/conformance

test-api-server: setup ## what needs an API server and no node: kinds, roles, admission; and Migrations, with workers as processes of this machine
	$(BIN)/pytest -q -n auto --dist loadfile tests/api_server

test-cluster: setup ## everything in a real cluster
	$(BIN)/python -m tests.cluster test --durations=15

campaign: setup ## thousands of examples of each property; every change of every field, and every fault in every life, in a real cluster: over an hour
	env -u CI LANDFALL_EXAMPLES=$${LANDFALL_EXAMPLES:-3000} $(BIN)/pytest -q -n auto -m hypothesis tests/unit
	$(BIN)/python -m tests.cluster.campaign
	LANDFALL_FAULTS=300 $(BIN)/pytest -q tests/integration/test_interruptible.py
	$(MAKE) --no-print-directory test-mariadb-11
	LANDFALL_SWITCHES=25 $(BIN)/pytest -q tests/cluster/test_switching.py

docs: $(VENV)/.dev ## the documentation as a site, in docs/_site
	$(BIN)/sphinx-build --quiet --fail-on-warning --keep-going -b html docs docs/_site

soak: setup ## two hours of Migrations and Deployments that come and go, with the operator killed every minute
	$(BIN)/python -m tests.cluster.soak

pictures: setup ## the gateway's page and a session at a terminal, as the tests see them, for docs/images
	mkdir -p docs/images
	LANDFALL_PICTURES=1 $(BIN)/pytest -q tests/cluster/test_page.py tests/api_server/test_page.py tests/api_server/test_cli.py

try: setup-run ## the first example: a shop from SQLite into an embedded PostgreSQL, and back
	$(BIN)/python -m examples.tour

demo: setup-servers $(VENV)/.dev ## from nothing to a migrated shop in a cluster on this machine, as root
	$(BIN)/python -m tests.cluster.demo

images: $(VENV)/.dev ## the operator's image, the builder's and what lies below apps, as docker-archives
	$(BIN)/python -m tests.cluster.images

cluster: $(VENV)/.dev ## a Kubernetes cluster of one node on this machine
	$(BIN)/python -m tests.cluster up

cluster-down: $(VENV)/.run ## end it, and leave nothing behind
	$(BIN)/python -m tests.cluster down

bench: setup ## against pgloader and pgcopydb, apps to their first answer and back, and the gateway; writes docs/benchmarks.md
	$(BIN)/python -m tests.bench
	$(BIN)/python -m tests.bench.apps
	$(BIN)/python -m tests.bench.gateway

bench-control: setup ## how soon a run pauses, and how well its end is foreseen; adds to docs/benchmarks.md
	$(BIN)/python -m tests.bench.control

bench-apps: setup ## from `kubectl apply` to the first answer, and the rollback, in a cluster on this machine; adds to docs/benchmarks.md
	$(BIN)/python -m tests.bench.apps

bench-gateway: setup ## how soon the gateway answers, and followers of a log hear, in a cluster on this machine; adds to docs/benchmarks.md
	$(BIN)/python -m tests.bench.gateway

bench-lock: setup ## how long writers of a source wait at its cutover; adds to docs/benchmarks.md
	$(BIN)/python -m tests.bench.lock

bench-matching: $(VENV)/.dev ## how well existing tables are matched, on generated schemas; writes docs/benchmarks.md
	$(BIN)/python -m tests.bench.matching

bench-operator: $(VENV)/.dev ## many Migrations that are done, in a cluster on this machine; adds to docs/benchmarks.md
	$(BIN)/python -m tests.bench.scale

bench-plan: setup ## how long the plan of a thousand tables takes, and how long its text is; adds to docs/benchmarks.md
	$(BIN)/python -m tests.bench.plan

bench-workers: setup ## one table shared by several workers, with both databases a network's delay away; adds to docs/benchmarks.md
	$(BIN)/python -m tests.bench.workers

lock: ## pin requirements again (needs uv)
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-annotate pyproject.toml --group try -o requirements/run.txt
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-annotate -c requirements/run.txt pyproject.toml --group try --group check --extra operator -o requirements/check.txt
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-annotate -c requirements/check.txt pyproject.toml --extra mysql --group try --group check --group fuzz --group browser --group docs --group image --extra operator -o requirements/dev.txt
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-annotate -c requirements/dev.txt pyproject.toml --extra mysql --extra operator -o requirements/operator.txt

clean: ## remove the virtual environment and caches
	rm -rf $(VENV) docs/_site .cache .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
