# Everything below works on a fresh clone with Python 3.12 or 3.13, a C++ compiler, make and a package index.

PYTHON := .venv/bin/python
SOURCES := hummingbot/connector/exchange/valr valr_loopback hummingbot_valr
WORKERS ?= 2
DEMO_SECONDS ?= 60
EXAMPLES ?= 100000
FAULT_SECONDS ?= 15
PAIRS ?= 205
HOURS ?= 2
CHECKPOINTS ?= 1000
SEEDS ?= 200
FIRST ?= 1
MINUTES ?= 10
SECONDS ?= 60
RUNS ?= 5
RELEASE ?= 20260729

# The rooms that decide about money and do no I/O: every branch of them is tested.
VALR := hummingbot/connector/exchange/valr
PURE := $(VALR)/valr_auth.py,$(VALR)/valr_back_off.py,$(VALR)/valr_balances.py,$(VALR)/valr_candle_series.py,$(VALR)/valr_constants.py,$(VALR)/valr_latency.py,$(VALR)/valr_messages.py,$(VALR)/valr_metrics.py,$(VALR)/valr_order_book.py,$(VALR)/valr_order_lifecycle.py,$(VALR)/valr_order_numbers.py,$(VALR)/valr_order_outcomes.py,$(VALR)/valr_order_record.py,$(VALR)/valr_market_outbox.py,$(VALR)/valr_reading_pace.py,$(VALR)/valr_troubles.py,$(VALR)/valr_utils.py

# Tests start Hummingbot a hundred times, which takes three times as long where Python may not keep what it compiled.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help install check unit coverage test faults books simulate mutants evidence bench bench-books profile clients strategies test-older demo lock clean

help:
	@echo 'make install   .venv with Hummingbot, this connector, the loopback exchange and .venv/bin/hbot'
	@echo 'make demo      the main job against the loopback exchange, DEMO_SECONDS=$(DEMO_SECONDS); its report: build/demo-report.html'
	@echo 'make test      style, types, all tests, coverage'
	@echo 'make faults    the real strategy under every fault, against the ledger; ONLY="names" for some'
	@echo 'make books     HOURS=$(HOURS) of PAIRS=$(PAIRS) books under faults, CHECKPOINTS=$(CHECKPOINTS), SEED=$(or $(SEED),1)'
	@echo 'make simulate  SEEDS=$(SEEDS) days of MINUTES=$(MINUTES) from FIRST=$(FIRST), in simulated time; SEED=n replays one'
	@echo 'make mutants   rules switched off, one after the other: which of the first SEEDS days shows it'
	@echo 'make clients   both of Hummingbot'"'"'s clients through everything, each command a process'
	@echo 'make strategies  every kind of strategy, SECONDS=$(SECONDS) each, on the loopback exchange'
	@echo 'make test-older  the tests on Hummingbot $(RELEASE), built beside .venv; ONLY="files" for some'
	@echo 'make evidence  EXAMPLES=$(EXAMPLES) order histories with their evidence in any order'
	@echo 'make bench     every measure of speed, ours beside what else there is; ONLY=names for some, RUNS=$(RUNS), SHORT=1'
	@echo 'make profile   where the time of the hot paths goes, as a flame graph: build/profile.html; SHORT=1'
	@echo 'make bench-books  the market data way replayed: what a frame costs, and whether 205 pairs are held'
	@echo 'make lock      recompile the locks (UPGRADE=1 takes newer versions)'
	@echo 'make clean     remove .venv and everything built'

install:
	@tools/install.sh

check: install
	$(PYTHON) -m ruff format --check .
	$(PYTHON) -m ruff check .
	$(PYTHON) -m mypy $(SOURCES)

unit: install
	$(PYTHON) -m coverage erase
	$(PYTHON) -m pytest -n $(WORKERS) --cov --cov-report=

coverage:
	$(PYTHON) -m coverage report --fail-under=95
	$(PYTHON) -m coverage report --fail-under=100 --include='$(PURE)'

# One after the other, also under make -j: the tests are given both processors.
test: install
	@$(MAKE) --no-print-directory check
	@$(MAKE) --no-print-directory unit
	@$(MAKE) --no-print-directory coverage
	@$(MAKE) --no-print-directory simulate SEED= SEEDS=200 FIRST=1 MINUTES=10

faults: install
	@mkdir -p build
	$(PYTHON) -m test.faults --parallel $(WORKERS) --seconds $(FAULT_SECONDS) --report build/faults $(ONLY)

books: install
	@mkdir -p build
	$(PYTHON) -m test.market_data --hours $(HOURS) --pairs $(PAIRS) --checkpoints $(CHECKPOINTS) --seed $(or $(SEED),1) --report build/books

simulate: install
	$(PYTHON) -m test.simulation --minutes $(MINUTES) $(if $(SEED),--seed $(SEED) $(if $(PROFILE),--profile),--seeds $(SEEDS) --first $(FIRST) --workers $(WORKERS))

mutants: install
	$(PYTHON) -m test.simulation.hunt --minutes $(MINUTES) --seeds $(SEEDS) --workers $(WORKERS)

clients: install
	CLIENTS=all $(PYTHON) -m pytest -q test/clients test/hummingbot_valr/test_hbot.py

strategies: install
	STRATEGY_SECONDS=$(SECONDS) $(PYTHON) -m pytest -q -s test/strategies

test-older: install
	RELEASE=$(RELEASE) WORKERS=$(WORKERS) tools/test-older.sh $(ONLY)

evidence: install
	EVIDENCE_EXAMPLES=$(EXAMPLES) $(PYTHON) -m pytest -n $(WORKERS) -q test/hummingbot/connector/exchange/valr/test_evidence_in_any_order.py

bench: install
	$(PYTHON) -m benchmarks --runs $(RUNS) $(if $(SHORT),--short) $(if $(ONLY),--only "$(ONLY)")

profile: install
	$(PYTHON) -m benchmarks.profile $(if $(SHORT),--short)

bench-books: install
	$(PYTHON) -m benchmarks.market_data --json build/market_data.json

demo: install
	DEMO_SECONDS=$(DEMO_SECONDS) $(PYTHON) -m hummingbot_valr.demo

COMPILE := $(PYTHON) -m uv pip compile -q --universal --python-version 3.12 --generate-hashes --no-header $(if $(UPGRADE),--upgrade)

lock: install
	$(COMPILE) --override requirements-override.in requirements.in -o requirements.lock
	$(COMPILE) -c requirements.lock requirements-build.in -o requirements-build.lock

clean:
	rm -rf .venv .venv-tools build dist *.egg-info .coverage .coverage.* .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
