# What people do all day. `make` alone lists it.
PYTHON ?= python3
BIN := .venv/bin
STUDY ?= studies/quickstart.yaml
CLUSTER ?= cluster.yaml
BENCH ?= data_path modularizing step step-compiled
WORKERS ?= 3

# Un-compiled packages make every Ray worker compile torch again.
unexport PYTHONDONTWRITEBYTECODE
unexport PYTHONHOME PYTHONPATH

.DEFAULT_GOAL := help
.PHONY: help setup quickstart docs test test-fast test-slow test-studies test-faults test-simulation test-gpu test-kuberay bench check-cluster lint format clean

help:  ## List these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-15s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

setup:  ## Make or renew the environment in .venv (a moment when nothing changed)
	@sh scripts/setup.sh "$(PYTHON)"

quickstart: setup  ## Set up, then run studies/quickstart.yaml
	$(BIN)/nemo run $(STUDY)

test: setup lint  ## Set up, lint, then run every test but the slow and the GPU ones
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile -m "not slow and not studies and not gpu and not kuberay" $(ARGS)

test-fast: setup  ## The quick tests: no Ray, browser, kills or trainings; under a minute
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile -m "not (ray or browser or faults or heavy or slow or studies or gpu or kuberay)" $(ARGS)

test-slow: setup  ## The tests that take minutes
	$(BIN)/python -m pytest -n 2 --dist loadfile -m "slow and not gpu" $(ARGS)

test-studies: setup  ## The studies on the digits, whole, with what the README promises of them
	$(BIN)/python -m pytest -m studies $(ARGS)

test-faults: setup  ## Kill small studies over a hundred times; the table goes into docs/reliability.md
	$(BIN)/python -m tests.faults.matrix --into docs/reliability.md $(ARGS)

test-simulation: setup  ## Crash simulated studies at their writes, in 3,000 new ways; an hour or two
	NEMO_HYPOTHESIS=dev $(BIN)/python -m pytest tests/crashes/test_crashes.py $(ARGS)

test-gpu: setup  ## The tests that need a CUDA device
	$(BIN)/python -m pytest -m gpu $(ARGS)

test-kuberay: setup  ## Check KubeRay's manifests against its schemas: CRDS=FOLDER
	@test -d "$(CRDS)" || { echo "make test-kuberay: say where KubeRay's published schemas lie: CRDS=FOLDER" >&2; exit 2; }
	CRDS="$(abspath $(CRDS))" $(BIN)/python -m pytest -m kuberay $(ARGS)

docs: setup  ## Build the site of docs/ into build/site; a link that leads nowhere fails
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict
	@echo "build/site/index.html; search needs a server: $(BIN)/python -m http.server -d build/site"

bench: setup  ## Measure again on a quiet machine, and say what got worse than the last committed results; BENCH=step for one
	@for name in $(BENCH); do \
		case $$name in *-compiled) also=--compile;; *) also=;; esac; \
		echo "== $$name" && $(BIN)/python benchmarks/$${name%-compiled}.py --save $$also || exit 1; \
	done
	@$(BIN)/python benchmarks/compare.py $(BENCH)

check-cluster: setup  ## Say what cluster.yaml lacks before `ray up`; CLUSTER=FILE for another
	@$(BIN)/python -m orchestrator.cluster.launch_files $(CLUSTER)

lint: setup  ## Check style, format and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo

format: setup  ## Mend style and format where a machine can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:  ## Remove the environment and the caches; studies in runs/ stay
	rm -rf .venv build *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find nemo orchestrator tests benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +
