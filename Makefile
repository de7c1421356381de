# make demo   trains the embedded town for DEMO_MINUTES minutes, exports the result and makes pictures with it
# make test, make test-slow, make lint, make clean
# The environment .venv is made on first use. PYTHON=... chooses the interpreter, DEMO_MINUTES=2 a shorter demo.

# Runs each candidate: a version manager's command can exist and refuse to start.
ifndef PYTHON
PYTHON := $(shell for python in python3.13 python3.12 python3.11 python3; do \
	$$python -c 'import sys, venv, ensurepip; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' \
		>/dev/null 2>&1 && { echo $$python; break; }; done)
endif

VENV := .venv
BIN := $(VENV)/bin
PACKAGING := setup.cfg setup.py pyproject.toml
DEMO_MINUTES ?= 8
# Processes that share the tests; each may need 8 GiB.
TEST_PROCESSES ?= 2
DEMO_RUN := runs/town_semantic

.PHONY: demo test test-slow lint clean

demo: $(VENV)/.installed
	$(BIN)/lggan-train --recipe=town_semantic --run_dir=$(DEMO_RUN) --max_train_minutes=$(DEMO_MINUTES)
	$(BIN)/lggan-export --run_dir=$(DEMO_RUN)
	$(BIN)/lggan-generate --model=$(DEMO_RUN) --split=val --output_dir=$(DEMO_RUN)/generated
	@echo
	@echo 'Pictures made from the maps of the town: $(DEMO_RUN)/generated'
	@echo 'What happened while training:            $(BIN)/tensorboard --logdir=$(DEMO_RUN)'
	@echo 'The other task, a view from a view:      $(BIN)/lggan-train --recipe=town_cross_view --run_dir=runs/town_cross_view'
	@echo 'All recipes and settings:                $(BIN)/lggan-train --help'

test: $(VENV)/.installed-test
	$(BIN)/python -m pytest -m 'not slow' -n $(TEST_PROCESSES) --dist loadgroup

test-slow: $(VENV)/.installed-test
	$(BIN)/python -m pytest -m slow -n $(TEST_PROCESSES) --dist loadgroup

lint: $(VENV)/.installed-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports --config setup.cfg

clean:
	rm -rf $(VENV) build *.egg-info .pytest_cache .ruff_cache .import_linter_cache .hypothesis
	find lggan_tf tests tools -name __pycache__ -prune -exec rm -rf {} + 2>/dev/null || true

# A stamp newer than the packaging files means that what they ask for is installed.
$(VENV)/.installed: $(VENV)/.made $(PACKAGING)
	$(BIN)/python -m pip install --quiet -e '.[features]'
	@touch $@

$(VENV)/.installed-test: $(VENV)/.made $(PACKAGING)
	$(BIN)/python -m pip install --quiet -e '.[test]'
	@touch $@ $(VENV)/.installed

$(VENV)/.made:
	@test -n "$(PYTHON)" || { echo 'No Python 3.11, 3.12 or 3.13 with venv was found: make PYTHON=/path/to/python' >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	@touch $@
