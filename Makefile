# All set-up is here: each target that needs .venv makes it, with what is pinned and nothing else.
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory

BIN := .venv/bin
READY := .venv/.ready
LOCAL := .venv/.local
DEPLOY := .venv/deploy
PYTHONS := python3.14 python3.13 python3.12 python3.11 python3 python
GO_TOOLS := sigs.k8s.io/kustomize/kustomize/v5@v5.8.1 github.com/zegl/kube-score/cmd/kube-score@v1.20.0
IMAGE := sesamy-makeas:dev
BASE := python:3.13-slim-bookworm
ARGS :=
# Which share of the built-in faults `make test` judges, too: I/N. CI takes one by the commit; none where this is empty.
MUTANTS ?=
BESIDE := $(BIN)/python .ci/beside.py
SPREAD := $(BIN)/pytest -n auto --dist worksteal
# Every folder with tests is in one of these: what computes is spread over all cores, what waits for others runs beside it.
COMPUTING := tests/unit tests/properties tests/simulation
WAITING := tests/integration tests/faults tests/acceptance
PIP := install --quiet --disable-pip-version-check
# uv takes a tenth of pip's time, but heeds pip's settings no further than here: where it fails, pip has the last word.
install = { $(BIN)/uv pip install --quiet $${PIP_INDEX_URL:+--index-url "$$PIP_INDEX_URL"} --python $(1) $(2) 2>/dev/null || $(1) -m pip $(PIP) $(2); }
CURE := install Python 3.11 or newer with its venv module (on Debian and Ubuntu: apt-get install python3-venv), then try again

.PHONY: help local test test-quick test-long mutants faults soak check format generated bench deploy-check image lock clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

local: $(LOCAL) ## Run the whole thing on this machine and check the end state: ARGS="--chaos", "--reconcile", "--serve", "--help"
	@$(BIN)/sesamy-makeas local $(ARGS)

test: $(READY) ## Run every test that this machine can; with ARGS="-k gates" a plain pytest
	@$(if $(strip $(ARGS)),$(BIN)/pytest $(ARGS),$(BESIDE) \
		'computing=$(SPREAD) $(COMPUTING)' \
		'waiting=$(BIN)/pytest -n 3 --dist loadfile --durations=10 $(WAITING)' \
		$(if $(MUTANTS),'mutants:computing=$(BIN)/python -m tests.mutants --unchecked --share $(MUTANTS)'))

test-quick: $(READY) ## Run what takes under a minute: units, properties, a few lives in the simulation
	@SIMULATION_SEEDS=10 SIMULATION_FRESH=2 $(SPREAD) tests/unit tests/properties tests/simulation/test_simulation.py $(ARGS)

test-long: $(READY) ## Run the slow sweeps, for hours: random examples, thousands of lives, outages, every fault; ARGS as for test
	@export HYPOTHESIS_PROFILE=nightly SIMULATION_SEEDS=2000; $(if $(strip $(ARGS)),$(BIN)/pytest -m "" $(ARGS),$(BESIDE) \
		'sweeps=$(SPREAD) -m "" tests/properties tests/simulation' \
		'outages=$(BIN)/pytest -m long tests/unit tests/integration tests/acceptance' \
		'faults:outages=$(BIN)/python -m tests.faults' \
		'soak:faults=$(BIN)/python -m tests.faults.soak --minutes 60' \
		'mutants:sweeps=$(BIN)/python -m tests.mutants')

mutants: $(READY) ## Build in faults one at a time and see whether the tests notice: ARGS="--share 0/8", "--only NAME"
	@$(BIN)/python -m tests.mutants $(ARGS)

faults: $(READY) ## Make every fault of the matrix happen on real parts, and write tests/FAULTS.md: ARGS="-k killed" for some
	@REQUIRE_KAFKA=1 $(BIN)/python -m tests.faults $(ARGS)

soak: $(READY) ## Let a town live with random troubles, and judge all that happened: ARGS="--minutes 60", "--seed 1"
	@$(BIN)/python -m tests.faults.soak $(ARGS)

check: $(READY) ## Check style, types, imports, spelling and that what is made from the code is fresh
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	$(BIN)/codespell
	@$(BIN)/python -m tests.generated --check

format: $(READY) ## Put the code in its form, and mend what can be mended
	@$(BIN)/ruff check --fix
	@$(BIN)/ruff format

generated: $(READY) ## Write anew what is made from the code: tables, dashboard, PrometheusRule
	@$(BIN)/python -m tests.generated

bench: $(READY) ## Measure speed and memory beside a bare peer: ARGS="scan", "peers 7" (rounds), "goals" (all that have one)
	@$(BIN)/python -m tests.benchmarks $(ARGS)

deploy-check: $(DEPLOY)/.ready ## Look at deploy/ as far as that goes without a cluster; at overlays of yours: ARGS=FOLDER
	@$(DEPLOY)/bin/python deploy/check.py $(ARGS)

image: ## Build the image: IMAGE=name:tag BASE=python:3.13-slim-bookworm ARGS="--network host"
	@set -eu; base=$(BASE); base_digest=; revision=$$(git rev-parse HEAD 2>/dev/null || echo unknown); \
	[ -z "$$(git status --porcelain 2>/dev/null)" ] || revision=$$revision-dirty; \
	if timeout 300 docker pull --quiet "$$base" >/dev/null 2>&1; then base=$$(docker image inspect --format '{{index .RepoDigests 0}}' "$$base"); fi; \
	case $$base in *@*) base_digest="--label org.opencontainers.image.base.digest=$${base#*@}" ;; esac; \
	docker build --file deploy/docker/Dockerfile --tag $(IMAGE) --build-arg BASE="$$base" --build-arg REVISION="$$revision" \
		--build-arg VERSION="$$(sed -n 's/^__version__ = "\(.*\)"/\1/p' consumer/__init__.py)" \
		--label org.opencontainers.image.base.name="$(BASE)" $$base_digest $(ARGS) . && \
	docker image inspect --format '{{index .RepoTags 0}}: {{.Size}} bytes, of '"$$base" $(IMAGE)

lock: $(READY) ## Pin the newest versions that pyproject.toml allows
	@$(BIN)/python -m venv --clear .venv/lock && .venv/lock/bin/pip install --quiet 'uv>=0.9'
	@set -eu; pin() { .venv/lock/bin/uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes --no-annotate --no-strip-extras \
		--no-emit-index-url --no-emit-find-links --custom-compile-command 'make lock' "$$@"; }; \
		pin pyproject.toml --extra local --extra otel --group dev --output-file requirements-dev.txt; \
		as_tested() { pin --constraint requirements-dev.txt "$$@"; }; \
		as_tested pyproject.toml --output-file requirements.txt; \
		as_tested pyproject.toml --extra otel --output-file requirements-otel.txt; \
		as_tested pyproject.toml --extra local --group editable --output-file requirements-local.txt; \
		as_tested --group pyproject.toml:build --output-file requirements-build.txt; \
		pin --group pyproject.toml:uv --output-file requirements-uv.txt; \
		pin --group pyproject.toml:deploy --output-file requirements-deploy.txt

clean: ## Remove .venv and all that was made
	@rm -rf .venv .coverage .hypothesis .*_cache build dist
	@find consumer tests -name __pycache__ -prune -exec rm -rf {} +

# .venv with the packages of a file, $(1), and the project itself; $(2): how long that takes.
define environment
	@set -eu; for python in $(PYTHONS); do \
		if $$python -c 'import sys, ensurepip, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then found=$$python; break; fi; \
	done; \
	if [ -z "$${found:-}" ]; then echo "make: no Python here can make .venv; cure: $(CURE)" >&2; exit 1; fi; \
	echo "installing into .venv with $$($$found --version) (first time, $(2))" >&2; \
	[ -x $(BIN)/python ] || $$found -m venv .venv; \
	$(BIN)/python -m pip $(PIP) --require-hashes --requirement requirements-uv.txt || echo "uv is not to be had here: pip does it, slower" >&2; \
	$(call install,$(BIN)/python,--require-hashes --requirement $(1)); \
	$(call install,$(BIN)/python,--no-deps --no-build-isolation --editable .)
endef

# What `make local` takes is there sooner, and is a part of what the tests take.
$(LOCAL): requirements-local.txt requirements-uv.txt pyproject.toml
	$(call environment,requirements-local.txt,half a minute)
	@touch $@; echo "installed" >&2

$(READY): requirements-dev.txt requirements-uv.txt pyproject.toml
	$(call environment,requirements-dev.txt,about a minute)
	@touch $(LOCAL) $@; echo "installed" >&2

$(DEPLOY)/.ready: $(READY) requirements-deploy.txt Makefile
	@$(BIN)/python deploy/tools.py
	@echo "making $(DEPLOY) (first time, some minutes)" >&2
	@$(BIN)/python -m venv $(DEPLOY)
	@$(call install,$(DEPLOY)/bin/python,--require-hashes --requirement requirements-deploy.txt)
	@set -eu; for module in $(GO_TOOLS); do GOBIN="$(CURDIR)/$(DEPLOY)/bin" GOFLAGS= go install "$$module" 2>"$(DEPLOY)/go.log" \
		|| { cat "$(DEPLOY)/go.log" >&2; echo "make: $$module could not be built; cure: install Go 1.23 or newer, and let it reach its module proxy (GOPROXY)" >&2; exit 1; }; done
	@touch $@
