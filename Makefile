# Every target sets up the environment by itself when it is missing or out of date.
# `make demo` runs the main job, `make test` passes the tests; `make help` lists the rest.
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
# What is installed: a copy of what asked for it, as a checkout's times say nothing.
READY := $(VENV)/.ready
export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)
export VIRTUAL_ENV := $(CURDIR)/$(VENV)

# The tests are spread over the processors, a module at a time and the long ones first; each process then keeps to
# one thread.
PYTEST := OMP_NUM_THREADS=1 python -m pytest --numprocesses auto --dist loadscope --no-loadscope-reorder

# A rival of the benchmark, which wants an older numpy than driftloop.
ALIBI := .driftloop/benchmark/alibi

# What builds the pages as a site.
SITE := .driftloop/site

.DEFAULT_GOAL := help
.PHONY: help setup install demo test check passed test-unit test-containers test-slurm test-kills test-long test-faults \
  test-soak test-fuzz lock reference docs clean \
  bench-overhead bench-containers bench-scatter bench-check bench-improve bench-natural bench-speed bench-review \
  bench-late-labels

help: ## list the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):[^#]*## /\1\t/' | expand -t 18

setup: ## make the environment in .venv
	@cat envs/dev.lock pyproject.toml | cmp --quiet - $(READY) || $(MAKE) --no-print-directory install

install:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "driftloop needs Python 3.11 or later; $(PYTHON) is $$($(PYTHON) --version). Try: make setup PYTHON=python3.12" >&2; exit 1; }
	@test -x $(VENV)/bin/python || $(PYTHON) -m venv $(VENV)
	@echo "Installing into $(VENV): about two minutes, once."
	@$(VENV)/bin/python envs/install.py
	@cat envs/dev.lock pyproject.toml >$(READY)
	@echo "Ready. To use it in this shell: source $(VENV)/bin/activate"

demo: setup ## run the whole loop on real MNIST, then show what happened
	snakemake --cores all
	driftloop status

# Two targets, which make --jobs runs side by side.
test: check passed ## pass every test but those that need Docker, Apptainer or Slurm

passed: setup
	$(PYTEST) -m "not containers and not slurm"

check: setup ## lint, format, types, workflow lint
	ruff check .
	ruff format --check --quiet .
	mypy
	snakefmt --check --compact-diff Snakefile rules
	snakemake --lint

test-unit: setup ## the fast tests alone
	$(PYTEST) tests/unit workflow -m "not slow"

test-containers: setup ## real Docker, Apptainer and Slurm: build every image, run the demo in them, and on a cluster
	$(PYTEST) -m containers --durations 5

test-slurm: setup ## of these the cluster's alone: submit, review, go on
	python -m pytest -m slurm --durations 5

test-kills: setup ## kill the review at a hundred random moments: no label is lost
	KILLS=100 python -m pytest tests/e2e/test_review_killed.py

test-long: setup ## a hundred random sequences of edits, runs, kills and checkouts: nothing stale is believed
	DRIFTLOOP_SEQUENCES=100 python -m pytest tests/e2e/test_truth.py -n 0

test-faults: setup ## fifty kill -9 of the whole pipeline, full disks and the like: a rerun ends the same
	DRIFTLOOP_KILLS=50 DRIFTLOOP_DAMAGE=all python -m pytest tests/e2e/test_faults.py tests/e2e/test_damage.py -n 0

test-fuzz: setup ## two thousand made-up model folders, detectors, ledgers and windows: nothing of them is run
	DRIFTLOOP_EXAMPLES=2000 python -m pytest tests/abuse/test_fuzz_*.py -n 0

test-soak: setup ## a stream of three hundred windows: it runs through, and takes no longer at its end
	DRIFTLOOP_WINDOWS=300 python -m pytest tests/e2e/test_soak.py -n 0 -s

bench-overhead: setup ## what Snakemake costs: a run against the same functions in one process
	python benchmarks/overhead.py

bench-containers: setup ## what containers cost: a run in images against a bare one, a model as an image
	python benchmarks/containers.py

bench-scatter: setup ## a window of 100,000 images scored by one job, and by four
	python benchmarks/scatter.py

bench-check: setup ## the checker against its rivals
	@test -x $(ALIBI)/bin/python || $(PYTHON) -m venv $(ALIBI)
	@$(ALIBI)/bin/python -m pip install --quiet --disable-pip-version-check alibi-detect==0.13.0
	python benchmarks/check.py

bench-improve: setup ## the repairs against their anchors
	python benchmarks/improve.py

bench-speed: setup ## how fast, against an older commit in the same run
	python benchmarks/speed.py

bench-natural: setup ## the repairs where nobody can name the drift
	python benchmarks/natural.py

bench-late-labels: setup ## the test on labels that arrive later
	python benchmarks/late_labels.py

bench-review: setup ## how fast the review opens and turns its pages
	python benchmarks/review.py

lock: setup ## write envs/*.lock anew from pyproject.toml
	python envs/lock.py

reference: setup ## write docs/commands.md, docs/parameters.md and docs/pictures.md anew from the code
	python docs/make_reference.py
	python -m tests.picture_files

docs: ## build the pages as a site, in build/site; a dead link is an error
	@test -x $(SITE)/bin/python || $(PYTHON) -m venv $(SITE)
	@cmp --quiet envs/docs.lock $(SITE)/.ready || { $(SITE)/bin/python -m pip install --quiet --disable-pip-version-check \
	  --require-hashes --requirement envs/docs.lock && cp envs/docs.lock $(SITE)/.ready; }
	NO_MKDOCS_2_WARNING=1 $(SITE)/bin/mkdocs build --quiet --strict

clean: ## remove what the pipeline made; decisions stay
	rm -rf data models results answers logs .snakemake
