# The commands of this project; `make help` lists them. They install what they need into .venv.
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
SHELL := /bin/sh

# the first Python of at least 3.11 on the PATH
PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
BIN := .venv/bin
PAGES := settings errors metrics answers parameters waiting
# what depends on the version of Python: its warnings, and the OpenSSL and the strictness about certificates it brings
ON_IMAGE_PYTHON := tests/unit tests/contract tests/integration/broker/test_secured.py \
	tests/integration/test_secured_service.py tests/integration/test_refused_by_kafka.py
# several processes share the tests; one of them alone, where the debugger works: `make test IN_PARALLEL=`
IN_PARALLEL := --numprocesses auto

define install
@echo '==> installing $< into $(@D) (once; half a minute or so)'
@$(@D)/bin/pip install --quiet --disable-pip-version-check --no-input --require-hashes -r $<
@$(@D)/bin/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable . --editable client
@touch $@
endef

.PHONY: help
help: ## list the commands
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

.PHONY: run
run: .venv/run.stamp ## start Kafka, a Kubernetes API, ingress and consumer (KUBE_CONTEXT=name: that cluster; NODE=real: pods run)
	@trap : INT; KUBE_CONTEXT='$(KUBE_CONTEXT)' NODE='$(NODE)' $(BIN)/python -m devstack run || test $$? -eq 130 # Ctrl-C is a good end

.PHONY: up
up: .venv/run.stamp ## start Kafka and a Kubernetes API alone (BROKERS=3: three brokers, three replicas)
	@trap : INT; BROKERS='$(BROKERS)' $(BIN)/python -m devstack up || test $$? -eq 130

.PHONY: cluster
cluster: .venv/run.stamp ## build the local Kubernetes control plane, once: about ten minutes on two cores
	@exec $(BIN)/python -m devstack build

.PHONY: test
test: lint ## everything that is checked: lint, types, import contract, all tests
	@echo '==> tests'
	@$(BIN)/python -m pytest $(IN_PARALLEL) $(PYTEST_ARGS)

.PHONY: long
long: .venv/dev.stamp ## what takes too long for `make test` and CI runs as well: more faults, ten times the cases of each property
	@$(BIN)/python -m pytest $(IN_PARALLEL) -m 'long or hypothesis' --hypothesis-profile thorough --timeout 900 $(PYTEST_ARGS)

.PHONY: unit
unit: .venv/dev.stamp ## the tests that need no server
	@$(BIN)/python -m pytest tests/unit $(IN_PARALLEL) $(PYTEST_ARGS)

.PHONY: image-python
image-python: .venv-image/dev.stamp ## the unit tests and those of TLS and logins, on the image's version of Python
	@.venv-image/bin/python -m pytest $(ON_IMAGE_PYTHON) $(IN_PARALLEL) $(PYTEST_ARGS)

.PHONY: compiled
compiled: .venv/dev.stamp ## the unit tests on the pure modules compiled to C by mypyc (needs a C compiler; a minute to compile)
	@$(BIN)/python -m deploy.compiled tree build/compiled
	@cd build/compiled && ../../$(BIN)/python -m pytest tests/unit $(IN_PARALLEL) $(PYTEST_ARGS)

.PHONY: wheel-compiled
wheel-compiled: .venv/dev.stamp ## a wheel with these modules compiled, for this Python and platform, in dist/
	@$(BIN)/python -m deploy.compiled wheel build/wheel

.PHONY: bench
bench: .venv/dev.stamp ## measure the service beside its servers, some 35 minutes (BENCH_ARGS='--only P1,P3')
	@$(BIN)/python -m bench $(BENCH_ARGS)

.PHONY: instructions
instructions: .venv/dev.stamp ## count the CPU instructions of a job with valgrind, on a machine however busy, some 15 minutes
	@$(BIN)/python -m bench.instructions $(BENCH_ARGS)

.PHONY: soak
soak: .venv/dev.stamp ## a steady load on all roles for an hour, and whether anything grows (SOAK_ARGS='--minutes 15'), figures in build/
	@$(BIN)/python -m bench.soak $(SOAK_ARGS)

.PHONY: lint
lint: .venv/dev.stamp ## ruff, mypy, import contract, generated pages
	@echo '==> ruff' && $(BIN)/ruff check --quiet . && $(BIN)/ruff format --quiet --check .
	@echo '==> mypy' && $(BIN)/mypy
	@echo '==> import contract' && { contract=$$($(BIN)/lint-imports --no-cache) || { echo "$$contract"; exit 1; }; }
	@echo '==> generated pages' && for page in $(PAGES); do $(BIN)/job-submission $$page | diff - docs/$$page.md || exit 1; done
	@$(BIN)/python -m deploy.generate --check
	@$(BIN)/python -m client.generate --check

.PHONY: access
access: .venv/dev.stamp ## print who is kept out by every route: forged tokens, other tenants, on real servers
	@$(BIN)/python -m pytest -q tests/integration/test_access.py $(PYTEST_ARGS)

.PHONY: restricted
restricted: .venv/dev.stamp ## 10,000 generated jobs in a namespace that enforces `restricted`, tried on a real API server
	@$(BIN)/python -m pytest -q -s tests/chart/test_restricted.py --restricted-bodies=10000 $(PYTEST_ARGS)

.PHONY: faults
faults: .venv/dev.stamp ## the long fault suite: 200 runs of 1,000 submissions, with a report in build/ (hours; FAULTS_ARGS='--runs 20')
	@mkdir -p build && $(BIN)/python -m tests.faults --runs 200 --submissions 1000 --report build/faults.json $(FAULTS_ARGS)

.PHONY: openapi
openapi: .venv/dev.stamp ## make 5,000 and more requests from the OpenAPI document with schemathesis, on real servers
	@$(BIN)/python -m pytest -q tests/integration/test_documents.py -rP --openapi-examples 110 $(PYTEST_ARGS)

.PHONY: kai
kai: .venv/dev.stamp ## the tests of the profile kai, on a real KAI scheduler, which is built once in some four minutes
	@$(BIN)/python -m pytest tests/kai -m kai $(PYTEST_ARGS)

.PHONY: fuzz
fuzz: .venv/dev.stamp .venv/fuzz.stamp ## look for inputs that break something: a million of bodies, records, queries (FUZZ_ARGS='--inputs 10000')
	@$(BIN)/python -m tests.fuzz $(FUZZ_ARGS)

.PHONY: audit
audit: .venv/dev.stamp .venv/supply.stamp ## look for known vulnerabilities in the locked dependencies
	@$(BIN)/python -m deploy.audit

.PHONY: sbom
sbom: .venv/dev.stamp .venv/supply.stamp ## write what is in the image as build/sbom.cdx.json (CycloneDX)
	@mkdir -p build && $(BIN)/cyclonedx-py requirements requirements/service.txt --pyproject pyproject.toml \
		--output-reproducible --output-format JSON --output-file build/sbom.cdx.json && echo 'build/sbom.cdx.json'

.PHONY: release
release: .venv/bin/python ## print what publishes image and chart, signed: REGISTRY=host/path (GO=yes does it)
	@$(BIN)/python -m deploy.release '$(REGISTRY)' $(if $(filter yes,$(GO)),--go)

.PHONY: mutants
mutants: .venv/mutation.stamp ## mutation testing of names, offsets, the work queue and the table of answers
	@$(BIN)/mutmut run --max-children 2 && $(BIN)/mutmut results

.PHONY: docs
docs: .venv/dev.stamp ## write the generated pages anew
	@for page in $(PAGES); do $(BIN)/job-submission $$page > docs/$$page.md; done
	@$(BIN)/python -m deploy.generate
	@$(BIN)/python -m client.generate

.PHONY: pictures
pictures: .venv/dev.stamp .venv/pictures.stamp ## draw the dashboard's picture anew from a real run, some three minutes
	@$(BIN)/python -m tests.chart.panels

.PHONY: page
page: .venv/dev.stamp ## draw the pictures of the page anew, and print how quick it is with 10,000 jobs
	@TEST_PICTURES=docs $(BIN)/python -m pytest -q tests/page $(PYTEST_ARGS)
	@$(BIN)/python -m tests.page.figures

.PHONY: format
format: .venv/dev.stamp ## format the code
	@$(BIN)/ruff check --quiet --fix . ; $(BIN)/ruff format .

.PHONY: lock
lock: ## write the lock files anew (needs uv)
	@requirements/lock.sh

.PHONY: clean
clean: ## remove everything that was installed or made here
	rm -rf .venv .venv-image mutants .mypy_cache .ruff_cache .pytest_cache .hypothesis

.venv/bin/python:
	@test -n '$(PYTHON)' || { echo 'Python 3.11 or newer is needed, and none is on the PATH' >&2; exit 1; }
	@echo '==> creating .venv with $(PYTHON)'
	@$(PYTHON) -m venv .venv

.venv-image/bin/python: .venv/run.stamp
	@python=$$($(BIN)/python -m devstack python) && $$python -m venv .venv-image

.venv/%.stamp: requirements/%.txt pyproject.toml client/pyproject.toml | .venv/bin/python
	$(install)

.venv-image/%.stamp: requirements/%.txt pyproject.toml client/pyproject.toml | .venv-image/bin/python
	$(install)
