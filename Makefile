# allcell: set up, run, check. `make help` lists the tasks.
# Needs Python 3.11 to 3.14 with pip, and make; 3.11 is preferred. As root on Debian or Ubuntu,
# apt-get adds the system libraries, Chromium and strace where they are missing; otherwise a message
# says what to install.

PORT ?= 8501
HOST ?= localhost
MODEL ?= live
DATA ?=
ARGS ?=
LITE ?=
# Of pytest, where tests do not get in each other's way; each has one thread.
WORKERS ?= 2

FULL := .venv
SMALL := .venv-lite
# What commands run in: make app LITE=1, make bench LITE=1, ...
ifeq ($(LITE),1)
RUN := $(SMALL)
else
RUN := $(FULL)
# The paper's network runs in torch.
AGAINST := --against-paper
endif

export PIP_DISABLE_PIP_VERSION_CHECK = 1

PYTEST := $(FULL)/bin/python -m pytest
# Workers take over each other's tests, so that both end at the same time.
SPREAD := -n $(WORKERS) --dist worksteal

.DEFAULT_GOAL := help
.PHONY: help app test quick check bench evaluate soak wheel-check browser strace clean clean-all

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1|/' \
		| awk -F'|' '{ printf "  make %-12s %s\n", $$1, $$2 }'

app: $(RUN)/.ready ## set up and start the app (PORT=8501; HOST=0.0.0.0 to share it; LITE=1 without torch)
	$(RUN)/bin/python -m allcell app --port $(PORT) --host $(HOST)

test: $(FULL)/.ready-dev browser strace ## set up and run all tests, those in Chromium too (ARGS="-k name")
ifneq ($(strip $(ARGS)),)
	$(PYTEST) $(ARGS)
else
# All tiers run, whatever fails. Tests in Chromium run one at a time and leave most of two cores idle:
# the quick tier and that with torch run meanwhile with what is left of them. What is held to the clock
# is marked slow. A browser test that fails is tried once more, and both tries are reported.
	@status=0; log=$$(mktemp); torch_log=$$(mktemp); \
	$(PYTEST) --tier slow $(SPREAD) || status=$$?; \
	nice -n 19 $(PYTEST) --tier quick -n 1 >$$log 2>&1 & quick=$$!; \
	nice -n 19 $(PYTEST) --tier torch -n 1 >$$torch_log 2>&1 & torch=$$!; \
	trap 'kill $$quick $$torch 2>/dev/null; rm -f $$log $$torch_log; exit 130' INT TERM; \
	$(PYTEST) --tier browser --reruns 1 || status=$$?; \
	wait $$quick || status=$$?; \
	wait $$torch || status=$$?; \
	cat $$log $$torch_log; rm -f $$log $$torch_log; exit $$status
endif

quick: $(FULL)/.ready-dev ## set up and run the tests without browser, torch or child process
	$(PYTEST) --tier quick $(SPREAD) $(ARGS)

check: $(FULL)/.ready-dev ## lint, format, types, import rules
	$(FULL)/bin/python -m ruff check .
	$(FULL)/bin/python -m ruff format --check .
	$(FULL)/bin/python -m mypy
	$(FULL)/bin/lint-imports

bench: $(RUN)/.ready ## measure the speed of a model, and against the paper's (MODEL=live)
	$(RUN)/bin/python -m allcell benchmark --model $(MODEL) --full-precision $(ARGS)
	$(RUN)/bin/python -m allcell benchmark --model $(MODEL) $(AGAINST) $(ARGS)

evaluate: $(RUN)/.ready ## measure all models anew, rewrite metrics, cards, README (DATA=folder of datasets)
	@[ -n "$(DATA)" ] || { echo "Name the folder of datasets: make evaluate DATA=folder"; exit 2; }
	$(RUN)/bin/python -m allcell evaluate --all --data "$(DATA)" $(ARGS)
	$(RUN)/bin/python -m allcell cards

soak: $(FULL)/.ready-dev browser ## run the server for long: does it give back what it takes? Rewrites README
	$(FULL)/bin/python tests/soak/starts.py --keep
	$(FULL)/bin/python tests/soak/sessions.py --keep

wheel-check: $(FULL)/.ready-dev ## build the wheel, install it in a separate environment, detect with it
	$(FULL)/bin/python -m pytest tests/wheel/check_wheel.py $(ARGS)

clean: ## remove caches
	rm -rf .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache build dist *.egg-info
	find . -name __pycache__ -not -path './.venv*' -prune -exec rm -rf {} +

clean-all: clean ## remove caches and both environments
	rm -rf $(FULL) $(SMALL)

# --- environments -----------------------------------------------------------------------------
# A stamp is newer than its lists once everything in them is installed, so the next run is instant.

LISTS := pyproject.toml constraints.txt requirements-lite.txt

$(SMALL)/.ready: $(LISTS)
	@[ -e $@ ] || echo "allcell: setting up $(SMALL), without torch: about 1.5 GB, a minute or two."
	$(call create_venv,$(SMALL))
	$(SMALL)/bin/python -m pip install -r requirements-lite.txt
	$(call system_libraries,$(SMALL))
	@touch $@

$(FULL)/.ready: $(LISTS) requirements.txt
	@[ -e $@ ] || { \
		echo "allcell: setting up $(FULL), with torch: about 7 GB, 3 to 30 minutes, depending on your network."; \
		echo "allcell: no NVIDIA card? 'make app LITE=1' runs the shipped model with a fraction of it."; }
	$(call create_venv,$(FULL))
	$(FULL)/bin/python -m pip install -r requirements.txt
	$(call system_libraries,$(FULL))
	@touch $@

$(FULL)/.ready-dev: requirements-dev.txt $(FULL)/.ready
	@echo "allcell: adding what tests and checks need: under a minute."
	$(FULL)/bin/python -m pip install -r requirements-dev.txt
	@touch $@

# The versions of Python for which torch and all the others have wheels.
FITS := import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 14))

# Each candidate is asked for its version: a python3.11 on the PATH may be a shim that leads nowhere.
# Debian splits ensurepip off into python3-venv; pip can install into an empty environment without it.
define create_venv
@if $(1)/bin/python -c 'import pip; $(FITS)' 2>/dev/null; \
then exit 0; fi; \
for candidate in $(PYTHON) python3.11 python3 python python3.12 python3.13 python3.14; do \
	if "$$candidate" -c '$(FITS)' 2>/dev/null; \
	then python=$$candidate; break; fi; \
done; \
if [ -z "$$python" ]; then \
	echo "allcell needs Python 3.11 to 3.14 and finds none on the PATH ($$(python3 --version 2>&1))." \
		"Install it, or name it: make PYTHON=/path/to/python3 $(MAKECMDGOALS)"; exit 1; \
fi; \
rm -rf $(1); \
if "$$python" -c 'import ensurepip' 2>/dev/null; then "$$python" -m venv $(1); \
else "$$python" -m venv --without-pip $(1) \
	&& "$$python" -m pip --python $(1)/bin/python install pip; fi || { \
	echo "allcell: $$python could not make an environment. On Debian: apt-get install python3-venv"; \
	exit 1; }
endef

# apt-get as root, or nothing: $(call apt,packages) is false where that is not possible.
apt = [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null && apt-get update -qq \
	&& DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $(1)

# OpenCV's wheel links against the system's libGL and GLib, which a minimal system lacks.
define system_libraries
@$(1)/bin/python -c 'import cv2' 2>/dev/null \
	|| { echo "allcell: OpenCV needs libGL and GLib, asking apt-get for them."; \
		$(call apt,libgl1 libglib2.0-0); }; \
$(1)/bin/python -c 'import cv2' \
	|| { echo "allcell: install OpenCV's system libraries, then run make again." \
		"On Debian and Ubuntu: apt-get install libgl1 libglib2.0-0"; exit 1; }
endef

browser:
	@command -v chromium >/dev/null || command -v chromium-browser >/dev/null \
	|| { echo "allcell: no Chromium, asking apt-get for it (about 400 MB)."; \
		$(call apt,chromium fonts-dejavu-core); } \
	|| echo "allcell: the browser tests will be skipped. To run them: apt-get install chromium fonts-dejavu-core"

strace:
	@command -v strace >/dev/null \
	|| { echo "allcell: no strace, asking apt-get for it."; $(call apt,strace); } \
	|| echo "allcell: whether a library calls home will not be tested. To test it: apt-get install strace"
