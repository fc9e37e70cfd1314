# `make` alone says what there is. Everything sets itself up: the virtual environment when it is missing or stale,
# and Debian packages when you are root. Nothing here asks a question.

SHELL := /bin/sh
.DEFAULT_GOAL := help
.PHONY: help demo lab install rollback uninstall test test-routeros lint format bench fuzz crash simulation simulation-long messages lock install-deps clean
MAKEFLAGS += --no-print-directory

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.complete
export PIP_NO_INPUT := 1
export PIP_DISABLE_PIP_VERSION_CHECK := 1
export DEBIAN_FRONTEND := noninteractive

# What the tests run for real: firewall and namespaces, the router's DNS, a browser, PostgreSQL, a QR reader, units,
# telephone calls.
TEST_PACKAGES := python3-venv nftables iproute2 conntrack dnsmasq-base procps curl chromium postgresql zbar-tools systemd systemd-container git \
    kamailio kamailio-json-modules kamailio-utils-modules sip-tester \
    $(if $(shell command -v npm),,npm)
BENCH_PACKAGES := python3-venv nftables iproute2 procps postgresql nginx-light wrk

# An environment whose Python is gone (an upgraded system, a moved folder) is made anew.
ifneq ($(wildcard $(STAMP)),)
ifneq ($(shell $(BIN)/python -c 'import aiohttp, pip, sys; sys.exit(sys.version_info < (3, 11))' 2>&1 || echo broken),)
$(shell rm -f $(STAMP))
endif
endif

help:  ## This list
	@echo "Hradlo: make TARGET [ARGS=…]"
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  \1|\2/p' $(MAKEFILE_LIST) | awk -F'|' '{ printf "%-16s %s\n", $$1, $$2 }'

demo: $(STAMP)  ## The whole story on this machine, no root needed (HEADLESS=1: played through and checked)
	@$(BIN)/hradlo demo $(if $(HEADLESS),--headless) $(ARGS)

lab: $(STAMP)  ## The story on real packets, in network namespaces of its own (root)
	@$(BIN)/hradlo lab $(ARGS)

install:  ## Puts Hradlo on this gateway, or upgrades it (root; the release before is kept)
	@PYTHON="$(if $(filter python3,$(PYTHON)),/usr/bin/python3,$(PYTHON))" systemd/install.sh install

rollback:  ## Goes back to the release before (root)
	@systemd/install.sh rollback

uninstall:  ## Takes the program away and opens every line; settings and ledger stay (root)
	@systemd/install.sh uninstall

test: install-deps tests/node_modules lint  ## Everything: style, types, import rules, tests; without root, the last lines say what was left out
	@$(BIN)/pytest --numprocesses 3 --dist loadfile $(ARGS)

tests/node_modules: tests/package-lock.json
	@command -v npm > /dev/null || { echo "No npm here: accessibility and a foreign RouterOS client are not tried"; exit 0; }; \
	cd tests && { npm ci --silent --no-audit --no-fund && touch node_modules \
	    || echo "npm could not install: accessibility and a foreign RouterOS client are not tried"; }

# Writes lists and rules named hradlo-… and takes them away again: a spare router, not one with subscribers.
test-routeros: $(STAMP)  ## The MikroTik driver, and what it relies on, on a real router: ROUTEROS_HOST=… (docs/mikrotik.md)
	@test -n "$$ROUTEROS_HOST" || { echo "Name the router: ROUTEROS_HOST=192.0.2.1 ROUTEROS_PASSWORD=… make test-routeros"; exit 1; }
	@$(BIN)/pytest tests/routeros/test_facts.py tests/enforcement/test_driver_contract.py -k real $(ARGS)

lint: $(STAMP)  ## Style, types and import rules only
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(STAMP)  ## Formats the code
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: PACKAGES := $(BENCH_PACKAGES)
bench: install-deps $(STAMP)  ## Speed, as ratios side by side in one run, some 18 minutes (ARGS="--quick": does it work?)
	@$(BIN)/python -m benchmarks $(ARGS)

fuzz: $(STAMP)  ## The property tests, with 10,000 examples each; 20,000 nonsensical requests; 1,000 schedules of faults on a router
	@$(BIN)/pytest -m hypothesis --hypothesis-profile=fuzz $(ARGS)
	@HRADLO_FAULT_SCHEDULES=1000 $(BIN)/pytest tests/enforcement/test_routeros_faults.py $(ARGS)

crash: $(STAMP)  ## 10,000 times kill -9 in the middle of an import of payments: half an hour (CRASH_TIMES=20: a thousand)
	@HRADLO_CRASH_TIMES=$(or $(CRASH_TIMES),200) $(BIN)/pytest --numprocesses logical tests/billing/payments/test_kill.py $(ARGS)

SEED ?= 1
simulation: $(STAMP)  ## A year of an ISP with everything that goes wrong, checked after every step: SEED=7
	@$(BIN)/python -m tests.simulation $(SEED) $(ARGS)

simulation-long: $(STAMP)  ## The same for 1,000 seeds, on all cores: hours (docs/reliability.md)
	@$(BIN)/python -m tests.simulation 1 1000 --jobs $$(nproc) $(ARGS)

messages: $(STAMP)  ## Renews the Czech catalogue, the example settings and their page from the code
	$(BIN)/python -m config.example
	$(BIN)/python -m config.messages

lock: $(STAMP)  ## Writes down the versions that are installed now
	@sed -n '/^#/p' requirements.lock > $(VENV)/lock
	@$(BIN)/pip freeze --exclude-editable >> $(VENV)/lock
	@mv $(VENV)/lock requirements.lock && touch $(STAMP)

clean:  ## Removes what was made here
	rm -rf $(VENV) build *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

PACKAGES := $(TEST_PACKAGES)
install-deps:  ## Debian packages that the tests need (root; else says which are missing)
	@command -v dpkg-query > /dev/null || { echo "No Debian here: install by hand what is missing of: $(PACKAGES)"; exit 0; }; \
	missing=$$(for name in $(PACKAGES); do \
	    dpkg-query --show --showformat='$${Status}' "$$name" 2> /dev/null | grep -q 'ok installed' || echo "$$name"; done); \
	if [ -z "$$missing" ]; then exit 0; fi; \
	if [ "$$(id -u)" -ne 0 ]; then echo "Missing, as root: apt-get install" $$missing; exit 0; fi; \
	echo "Installing" $$missing; \
	apt-get update --quiet=2 < /dev/null && \
	apt-get install --yes --quiet=2 --no-install-recommends $$missing < /dev/null

# Checked before the environment is made, because a bare Debian has a python3 that can't make one.
$(STAMP): requirements.lock pyproject.toml
	@command -v $(PYTHON) > /dev/null || { echo "There is no $(PYTHON): as root, apt-get install python3 python3-venv"; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	    echo "Hradlo needs Python 3.11 or newer, this is $$($(PYTHON) --version): name another, make PYTHON=python3.11"; exit 1; }
	@$(PYTHON) -c 'import ensurepip' 2> /dev/null || { [ "$$(id -u)" -eq 0 ] && command -v apt-get > /dev/null && \
	    apt-get update --quiet=2 < /dev/null && apt-get install --yes --quiet=2 python3-venv < /dev/null; } || { \
	    echo "This $(PYTHON) can't make virtual environments: as root, apt-get install python3-venv, then make again."; exit 1; }
	@echo "Setting up $(VENV) (once, some minutes) …"
	@$(BIN)/python -c 'import pip' 2> /dev/null || { rm -rf $(VENV); $(PYTHON) -m venv $(VENV); }
	@$(BIN)/pip install --quiet --requirement requirements.lock
	@$(BIN)/pip install --quiet --no-deps --editable .
	@touch $(STAMP)
