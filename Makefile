# Tessera: every task is a target here; `make help` lists them.
SHELL := /bin/bash
.DEFAULT_GOAL := help

VENV := .venv
PYTHON := $(VENV)/bin/python
# Python's bytecode saves dbt and Prefect seconds at every start.
export PYTHONDONTWRITEBYTECODE :=
export DO_NOT_TRACK := 1

.PHONY: help
help: ## List the targets.
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# The environment is made again whenever the lock changes. uv takes a third of pip's time; where it finds no packages,
# since only pip is set up for a mirror of its own, pip does it.
$(VENV)/installed: requirements.lock
	python3.11 -m venv $(VENV)
	$(PYTHON) -m pip install --quiet --disable-pip-version-check "$$(grep '^uv==' requirements.lock)"
	VIRTUAL_ENV=$(VENV) $(VENV)/bin/uv pip install --quiet --compile-bytecode --requirement requirements.lock \
		|| $(PYTHON) -m pip install --quiet --disable-pip-version-check --requirement requirements.lock
	touch $@

.PHONY: setup
setup: $(VENV)/installed ## Create .venv with the locked dependencies.

.PHONY: run
run: setup ## Build, check and release every new day (ARGS="--as-of 2017-06-30").
	$(PYTHON) -m flows.daily $(ARGS)

.PHONY: backfill
backfill: setup ## Build a period (ARGS="--first 2017-06-01"; of published days, see docs/operations.md).
	$(PYTHON) -m flows.backfill $(ARGS)

.PHONY: erase
erase: setup ## Take customers out of everything that is stored (ARGS='--customers FILE --reason "..."').
	$(PYTHON) -m flows.erase $(ARGS)

.PHONY: rollback
rollback: setup ## Go back to the release before the current one (ARGS="--to RELEASE").
	$(PYTHON) -m flows.rollback $(ARGS)

# It looks at the environment as it is, and so does not bring it up to date.
.PHONY: doctor
doctor: $(if $(wildcard $(PYTHON)),,setup) ## Say what is wrong with locks, disk, versions, sources, runs and releases, and what to do.
	$(PYTHON) -m flows.doctor $(ARGS)

.PHONY: promote
promote: setup ## Make a challenger the active segmentation (ARGS="seg_value_by_spend").
	$(PYTHON) -m flows.promote $(ARGS)

PYTEST := $(PYTHON) -m pytest --numprocesses 2 --dist worksteal --durations 25

.PHONY: test
test: setup lint ## Run everything that CI runs: linters, dbt tests and unit tests, macro tests, pytest.
	$(PYTEST)
	@$(call parts)

# An environment of its own, see tests/engines/requirements.in.
.venv-engines/installed: tests/engines/requirements.lock
	python3.11 -m venv .venv-engines
	.venv-engines/bin/python -m pip install --quiet --disable-pip-version-check --requirement tests/engines/requirements.lock
	touch $@

.PHONY: test-engines
test-engines: .venv-engines/installed ## Compare every SQL model with a second engine, which speaks Spark SQL.
	.venv-engines/bin/python -m pytest --rootdir . -p tests.python.conftest tests/engines/second_engine.py

.PHONY: test-fast
test-fast: setup lint ## Run linters and the tests that need no dbt, no flow, no browser, and are not slow.
	$(PYTEST) -m "not dbt and not flow and not browser and not slow"
	@$(call parts)

.PHONY: lint
lint: setup ## Run ruff, sqlfluff (on SQL that changed since it was clean) and the checks of the rules.
	@rm -f target/seconds
	$(call timed,ruff check,$(VENV)/bin/ruff check .)
	$(call timed,ruff format,$(VENV)/bin/ruff format --check .)
	$(call timed,check-jsonschema,$(VENV)/bin/check-jsonschema --schemafile models/segmentations/segmentation.schema.json models/segmentations/seg_*.yml)
	$(call timed,flows.compile,$(PYTHON) -m flows.compile --check)
	$(call timed,flows.check,$(PYTHON) -m flows.check)
	$(call timed,prose,$(PYTHON) -m tests.lint.prose)
	@$(MAKE) --no-print-directory target/sql_is_clean

# Runs a part of lint (name, command) and keeps how many seconds it took; `parts` prints them.
define timed
@mkdir -p target
@echo '$(2)'; started=$$(date +%s%N); $(2) && echo "$$(( ($$(date +%s%N) - started) / 100000000 )) $(1)" >> target/seconds
endef
parts = echo "Seconds of lint:"; sort --numeric-sort --reverse target/seconds | awk '{printf "%8.1f  ", $$1 / 10; $$1 = ""; print substr($$0, 2)}'

# All SQL after a change of sqlfluff's own files, as in a new clone; else what changed.
SQL := $(shell find models tests -name '*.sql' -not -path 'tests/generic/*')
target/sql_is_clean: $(SQL) .sqlfluff tests/.sqlfluff tests/lint/without_dbt/__init__.py requirements.lock
	$(call timed,sqlfluff,$(VENV)/bin/sqlfluff lint --processes 2 --disable-progress-bar $(if $(filter-out $(SQL),$?),models tests,$?))
	@touch $@

.PHONY: compile
compile: setup ## Compile the rules to plain SQL, to be committed.
	$(PYTHON) -m flows.compile

.PHONY: plan
plan: setup ## Show what the rules of the working tree would change (ARGS="--history").
	$(PYTHON) -m flows.plan $(ARGS)

.PHONY: explain
explain: setup ## Say why a customer is in their segments (ARGS="--customer 20 --as-of 2017-08-15").
	$(PYTHON) -m flows.explain $(ARGS)

.PHONY: docs
docs: setup ## Build the docs site of dbt, one file: target/static_index.html.
	$(VENV)/bin/dbt docs generate --static

.PHONY: bench
bench: setup ## Measure a daily run by step and node, beside hand-written SQL (ARGS="--customers 1000000").
	$(PYTHON) -m benchmarks.daily $(ARGS)

.PHONY: bench-demo
bench-demo: setup ## Measure a day of the demo, and a run that finds nothing to do.
	$(PYTHON) -m benchmarks.demo

.PHONY: shape
shape: setup ## Measure what should stay small: long models, walkers of the rules' tree, circles of imports.
	$(PYTHON) -m benchmarks.shape

.PHONY: faults
faults: setup ## Disturb runs in every way and write docs/faults.md (ARGS="--only Prefect").
	$(PYTHON) -m tests.faults $(ARGS)

.PHONY: lock
lock: setup ## Write requirements.lock from requirements.in.
	$(VENV)/bin/uv pip compile --quiet --no-header --python-version 3.11 requirements.in --output-file requirements.lock

.PHONY: clean
clean: ## Remove what runs made: the warehouse, all releases, dbt's target.
	rm -rf warehouse/tessera.* serving target logs
