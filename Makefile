# Two commands: `make lab` opens the course, `make test` verifies everything.
# `make help` lists the others. The README has the same steps as plain pip lines, for Windows.

PYTHON ?= python3
VENV := .venv
RUN := $(VENV)/bin/python
UV := $(VENV)/bin/uv

# Options of your own, and the lesson that `make notebooks` builds (all when empty):
#   make lab LAB_OPTIONS=--no-browser     make test PYTEST_OPTIONS=-x     make notebooks LESSON=01
#   make site SITE_OPTIONS="--repository owner/name"     make test PROCESSES=1
#   make kit KIT_OPTIONS="--learners names.txt"
LAB_OPTIONS ?=
PYTEST_OPTIONS ?=
PROCESSES ?= 2
SITE_OPTIONS ?=
KIT_OPTIONS ?=
LESSON ?=

.DEFAULT_GOAL := help
.PHONY: help lab test coverage lint format notebooks figures site kit constraints clean

# $(call stage,what happens,command): says what happens, does it, and says how long it took.
stage = @set -e; echo "--> $(1)"; start=$$(date +%s); ( $(2) ); \
	echo "    done in $$(( $$(date +%s) - start )) s"

# $(call install,packages): with uv, and with pip where uv cannot be had or fails.
install = if [ -x $(UV) ] && $(UV) pip install --python $(RUN) $(1); then :; else \
	echo "    without uv; pip takes a few minutes"; $(RUN) -m pip install $(1); fi

help:  ## list the commands
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## (.*)/  make \1\t\2/' | expand -t 20

lab: $(VENV)/course $(VENV)/trusted  ## open the course in JupyterLab
	@echo "--> JupyterLab opens on the first lesson; Ctrl-C in this window stops it"
	@PATH="$(CURDIR)/$(VENV)/bin:$$PATH" $(RUN) -m jupyterlab \
		--LabApp.default_url=/lab/tree/notebooks/00_welcome.ipynb \
		--KernelManager.transport_encryption=auto --log-level=WARN $(LAB_OPTIONS)

test: $(VENV)/test $(VENV)/npm/tried  ## run every test, and every notebook from top to bottom
	$(call stage,the tests and the lessons,\
		$(shared_by) $(RUN) -m pytest --nbval $(sharing) $(PYTEST_OPTIONS))

# With several processes each gets one thread: PyTorch's threads would wait for each other most of the time.
# A file stays whole, a notebook above all, and the long ones begin (tests/conftest.py).
sharing = $(if $(filter-out 1,$(PROCESSES)),-n $(PROCESSES) --dist loadfile --no-loadscope-reorder)
shared_by = $(if $(filter-out 1,$(PROCESSES)),OMP_NUM_THREADS=1)

coverage: $(VENV)/test  ## run the tests of the library and show which lines they miss
	$(call stage,the tests with coverage,\
		$(RUN) -m pytest tests --cov --cov-report=term-missing $(PYTEST_OPTIONS))

lint: $(VENV)/test  ## check the style
	$(call stage,ruff,$(RUN) -m ruff check . && $(RUN) -m ruff format --check .)

format: $(VENV)/test  ## correct the style where a machine can
	$(call stage,ruff,$(RUN) -m ruff check --fix . ; $(RUN) -m ruff format .)

notebooks: $(VENV)/test  ## build the notebooks from notebooks/text and run them (LESSON=01 for one)
	$(call stage,the notebooks,$(RUN) notebooks/build.py $(LESSON))

figures: $(VENV)/test  ## draw the pictures of the lessons and the README again
	$(call stage,the figures,$(RUN) figures/make.py)

site: $(VENV)/test $(VENV)/npm/tried  ## build the course as a site in build/site (needs npm)
	$(call stage,the site,$(RUN) website/build.py --npm $(VENV)/npm $(SITE_OPTIONS))

kit: $(VENV)/course  ## for instructors: solutions, quizzes and sheets of exercises in build/kit
	$(call stage,the instructor's kit,$(RUN) -m ddpm_lessons kit $(KIT_OPTIONS))

constraints: $(VENV)/test  ## write the newest versions into constraints.txt
	$(call stage,the newest versions that go together,rm -f constraints.txt && $(UV) pip compile \
		--universal --no-header --no-annotate --no-emit-index-url --quiet --python-version 3.11 \
		--extra test --output-file constraints.txt pyproject.toml)

clean:  ## remove the environment and what the tools left behind
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .ruff_cache .hypothesis .coverage htmlcov

# The environment. The files below are stamps: an empty file that says when a step was last done.

$(VENV)/made:
	@command -v $(PYTHON) >/dev/null || { echo "This course needs Python 3.11 to 3.14;" \
		"there is no '$(PYTHON)' here. Name yours: make $(MAKECMDGOALS) PYTHON=python3.12"; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 14))' || { \
		echo "This course needs Python 3.11 to 3.14; '$(PYTHON)' is $$($(PYTHON) --version 2>&1)." \
		"Name another: make $(MAKECMDGOALS) PYTHON=python3.12"; exit 1; }
	$(call stage,a virtual environment in $(VENV),$(PYTHON) -m venv $(VENV))
	$(call stage,uv: a quick installer,\
		$(RUN) -m pip install --quiet --disable-pip-version-check --only-binary=:all: uv \
		|| echo "    uv cannot be had here; pip will do")
	@touch $@

$(VENV)/course: pyproject.toml | $(VENV)/made
	$(call stage,the library and its course dependencies (PyTorch is large),\
		$(call install,--editable ".[course]"))
	$(no_news)
	@touch $@

# The test extra holds the course extra, hence both stamps.
$(VENV)/test: pyproject.toml constraints.txt | $(VENV)/made
	$(call stage,the library and its test dependencies in the versions last tested,\
		$(call install,--editable ".[test]" --constraint constraints.txt))
	$(no_news)
	@touch $@ $(VENV)/course

# What the site takes from npm's registry: MathJax, what runs networks in a browser, and, for the tests,
# what looks for obstacles to people with disabilities. Without npm, tests of the site are skipped.
$(VENV)/npm/tried: website/package.json | $(VENV)/made
	@mkdir -p $(VENV)/npm && cp website/package.json $(VENV)/npm/
	$(call stage,packages of the site from npm,\
		npm install --prefix $(VENV)/npm --no-package-lock --ignore-scripts --no-audit --no-fund \
		--loglevel=error || echo "    npm cannot be had here: no site then and no tests of it")
	@touch $@

# JupyterLab asks at its first start whether it may fetch news. The course needs no network.
no_news = @mkdir -p $(VENV)/etc/jupyter/labconfig && echo '{"disabledExtensions":' \
	'{"@jupyterlab/apputils-extension:announcements": true}}' \
	> $(VENV)/etc/jupyter/labconfig/page_config.json

# A browser runs the scripts of a stored notebook only where it is trusted: the course's players need that.
$(VENV)/trusted: $(wildcard notebooks/*.ipynb) | $(VENV)/course
	$(call stage,trust in the course's own notebooks so that their sliders move,\
		$(RUN) -m nbformat.sign $(sort $^) >/dev/null)
	@touch $@
