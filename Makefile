# make demo   trains the embedded town for DEMO_MINUTES minutes, exports the result and makes pictures with it
# make test, make test-slow, make lint, make clean
# make test-addons   exported files in the older stack, TensorFlow 2.15 with tensorflow-addons (needs Python 3.11)
# The environment .venv is made on first use. PYTHON=... chooses the interpreter, DEMO_MINUTES=2 a shorter demo.

# Runs each candidate: a version manager's command can exist and refuse to start.
ifndef PYTHON
PYTHON := $(shell for python in python3.13 python3.12 python3.11 python3; do \
	$$python -c 'import sys, venv, ensurepip; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' \
		>/dev/null 2>&1 && { echo $$python; break; }; done)
endif

# The only Python for which that older stack and this package both have wheels.
ifndef PYTHON311
PYTHON311 := $(shell for python in python3.11 /usr/bin/python3.11; do \
	$$python -c 'import sys, venv, ensurepip; sys.exit(sys.version_info[:2] != (3, 11))' \
		>/dev/null 2>&1 && { echo $$python; break; }; done)
endif

VENV := .venv
BIN := $(VENV)/bin
PACKAGING := setup.cfg setup.py pyproject.toml
DEMO_MINUTES ?= 8
# Processes that share the tests; each may need 8 GiB.
TEST_PROCESSES ?= 2
DEMO_RUN := runs/town_semantic

.PHONY: demo test test-slow test-addons lint clean

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

ifeq ($(PYTHON311),)
test-addons:
	@echo 'test-addons: skipped, no Python 3.11 with venv was found: make test-addons PYTHON311=/path/to/python3.11'
else
test-addons: $(VENV)/.installed-test .venv-addons/.installed
	folder=$$(mktemp -d) && trap 'rm -rf "$$folder"' EXIT && \
	$(BIN)/python tests/addons/make_files.py "$$folder" && \
	env -u PYTHONPATH .venv-addons/bin/python tests/addons/check_files.py "$$folder"
endif

lint: $(VENV)/.installed-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports --config setup.cfg

clean:
	rm -rf $(VENV) .venv-addons build *.egg-info .pytest_cache .ruff_cache .import_linter_cache .hypothesis
	find lggan_tf tests tools -name __pycache__ -prune -exec rm -rf {} + 2>/dev/null || true

# A stamp newer than the packaging files means that what they ask for is installed.
$(VENV)/.installed: $(VENV)/.made $(PACKAGING)
	$(BIN)/python -m pip install --quiet -e '.[features]'
	@touch $@

$(VENV)/.installed-test: $(VENV)/.made $(PACKAGING)
	$(BIN)/python -m pip install --quiet -e '.[test]'
	@touch $@ $(VENV)/.installed

.venv-addons/.installed:
	$(PYTHON311) -m venv .venv-addons
	.venv-addons/bin/python -m pip install --quiet 'tensorflow==2.15.1' 'tensorflow-addons==0.23.0'
	@touch $@

$(VENV)/.made:
	@test -n "$(PYTHON)" || { echo 'No Python 3.11, 3.12 or 3.13 with venv was found: make PYTHON=/path/to/python' >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	@touch $@
