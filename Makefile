# make demo: the four strategies side by side.  make test: all tests.  make test-fast: those that
# answer in a minute or two.  Each installs what it needs.

# For pipefail.
SHELL := bash
PYTHON ?= python3
VENV := .venv
INSTALLED := $(VENV)/installed
PIP := $(VENV)/bin/python -m pip install --no-deps
# Of what pip prints, a line every ten packages.
PROGRESS = /^Collecting/ && ++n % 10 == 0 {print "  " n " packages fetched"} \
  /^Installing/ {print "  unpacking " n " packages"} {fflush()}
export PIP_DISABLE_PIP_VERSION_CHECK := 1
# Prefect's, which it would otherwise explain before anything else is printed.
export DO_NOT_TRACK ?= 1

.PHONY: install demo up serve ui test test-fast browser postgres crash-test bench bench-scale lint screenshots constraints clean

install: $(INSTALLED)

# imgurpython has no wheel: it is built with the pinned setuptools and wheel, so these come first.
# constraints.txt is complete, so nothing is resolved and nothing else is fetched.
$(INSTALLED): constraints.txt pyproject.toml
	@echo "Installing into $(VENV); this takes from half a minute to several …"
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or later is needed: make PYTHON=python3.11 …")'
	@$(PYTHON) -m venv $(VENV)
	@awk '/^[^ ]/ {keep = /^(packaging|setuptools|wheel)==/} keep' constraints.txt > $(VENV)/build.txt
	@$(PIP) --quiet --require-hashes -r $(VENV)/build.txt
	@set -o pipefail; $(PIP) --progress-bar off --require-hashes --no-build-isolation -r constraints.txt | awk '$(PROGRESS)'
	@$(PIP) --quiet --no-build-isolation --editable .
	@touch $@

demo: install
	PREFECT_LOGGING_LEVEL=WARNING $(VENV)/bin/python -m deployments.demo

# The deployments of prefect.yaml: with a server and a worker of their own, or from one process.
# make up ALBUMS='ID …' has the nightly run mirror these from now on.
up: install
	$(VENV)/bin/python -m deployments.up $(ALBUMS)

serve: install
	$(VENV)/bin/python -m deployments.serve

ui: install
	$(VENV)/bin/python -m deployments.ui

# The files in the order of tests/conftest.py, which begins with those that take longest.
test: install browser postgres
	$(VENV)/bin/python -m pytest -n 3 --dist loadfile --no-loadscope-reorder

# Without those that start workers, clusters, databases or browsers, or run flow after flow.
test-fast: install
	$(VENV)/bin/python -m pytest -n 3 --dist loadfile -m "not slow"

# Debian's chromium, for the tests that look at Prefect's UI.
browser:
	@test -x /usr/bin/chromium || \
	  { test "$$(id -u)" -eq 0 && apt-get update -qq && apt-get install -y -qq chromium >/dev/null; } || \
	  echo "There is no chromium, and this is not root on Debian: the tests in a browser are skipped."

# Debian's PostgreSQL, for the test of a Prefect server on it; the test starts one of its own.
postgres:
	@test -d /usr/lib/postgresql || \
	  { test "$$(id -u)" -eq 0 && apt-get update -qq && apt-get install -y -qq postgresql >/dev/null; } || \
	  echo "There is no PostgreSQL, and this is not root on Debian: its test is skipped."

# Kills mirrors at 50 instants a strategy, and starts them again; takes about half an hour.
crash-test: install
	$(VENV)/bin/python -m benchmarks.crash

# Side by side with the naive ways and with other tools; python -m benchmarks.bench --help says more.
bench: install
	$(VENV)/bin/python -m benchmarks.bench

# Past one machine: a cluster, a job of a million images, a database. Takes the better part of an hour.
bench-scale: install
	$(VENV)/bin/python -m benchmarks.scale

lint: install
	$(VENV)/bin/ruff check
	$(VENV)/bin/ruff format --check
	$(VENV)/bin/mypy

# For a developer who changed the dependencies; needs uv.
constraints:
	uv pip compile pyproject.toml --all-extras --universal --python-version 3.11 --upgrade \
	  --generate-hashes --no-emit-index-url --no-header --no-annotate --quiet -o constraints.txt

clean:
	rm -rf $(VENV) .prefect downloads

# Needs Debian's chromium, and the results of make demo.
screenshots: install browser
	$(VENV)/bin/python -m deployments.screenshots
