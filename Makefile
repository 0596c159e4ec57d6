# The whole interface: `make` lists it. Needs Python 3.11 or newer; everything else is made here.

PYTHON ?= python3
PORT ?= 8000
ARGS ?=

VENV := .venv
PY := $(VENV)/bin/python
PIP := $(PY) -m pip --quiet --disable-pip-version-check install
TEMPLATES = $(shell git ls-files 'templates/*.html')

.DEFAULT_GOAL := help
.PHONY: help setup run worker test check fix bench coverage fuzz screenshots

help: ## List these targets
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1|\2/p' $(MAKEFILE_LIST) | column -t -s '|'

setup: $(VENV)/.for-development ## Install everything that running, testing and checking need

run: $(VENV)/.for-running ## Start the webmail with a demo world; PORT=8000
	@exec $(PY) manage.py up --demo --port $(PORT)

worker: $(VENV)/.for-running ## Start only a worker for all queues
	@exec $(PY) -m celery -A mailweb worker --queues delivery,default

test: $(VENV)/.for-development ## Run every test, on SQLite and on PostgreSQL; ARGS="-k bars"
	@exec $(PY) -m tests $(ARGS)

check: $(VENV)/.for-development ## Lint, formats, types, layers, migrations, deployment settings
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(VENV)/bin/djade --target-version 5.2 --check $(TEMPLATES)
	$(PY) -m mypy .
	$(VENV)/bin/lint-imports
	$(PY) manage.py makemigrations --check --dry-run
	BASE_URL=https://mail.mailweb.test $(PY) manage.py check --deploy --fail-level WARNING

fix: $(VENV)/.for-development ## Format, and mend what can be mended safely
	$(PY) -m ruff check --fix .
	$(PY) -m ruff format .
	-$(VENV)/bin/djade --target-version 5.2 $(TEMPLATES)

bench: $(VENV)/.for-development ## Measure delivery beside a peer; JSON in bench/results/
	@exec $(PY) -m bench $(ARGS)

coverage: $(VENV)/.for-development ## Fail if tests leave more than 2 % of the SMTP engine, log-ins or policy unseen
	@exec $(PY) -m pytest -q --numprocesses=2 tests/unit/smtp tests/unit/policy tests/unit/sasl tests/fuzz \
	  --cov=delivery.smtp --cov=delivery.policy --cov=delivery.sasl --cov-branch --cov-fail-under=98 \
	  --cov-report=term-missing:skip-covered $(ARGS)

fuzz: $(VENV)/.for-fuzzing ## Feed the parsers with what nobody thought of; ARGS="--seconds 300 server"
	@exec $(PY) -m tests.fuzz $(ARGS)

screenshots: $(VENV)/.for-development ## Take the pictures of the README and of the how-to
	@$(PY) -m tests.browser.screenshots
	@exec $(PY) -m tests.browser.howto

$(VENV)/.for-running: requirements.txt
	@$(PYTHON) -c 'import sys; sys.exit(None if sys.version_info >= (3, 11) else \
	  "Python 3.11 or newer is needed: make PYTHON=python3.11 …")'
	@test -x $(PY) || $(PYTHON) -m venv $(VENV)
	@echo "Installing requirements.txt into $(VENV)"
	@$(PIP) --requirement requirements.txt
	@touch $@

$(VENV)/.for-development: $(VENV)/.for-running pyproject.toml
	@echo "Installing the tools for development into $(VENV)"
	@$(PIP) 'pip>=25.1'  # the first that knows --group
	@$(PIP) --group dev
	@touch $@

$(VENV)/.for-fuzzing: $(VENV)/.for-development
	@$(PIP) --group fuzz
	@touch $@
