# Every target sets up what it needs (system packages, environments, the build) and is quick the second time.
#   make demo         MiniLM on real sentences, eager beside braze      make build    the extension, into .venv
#   make test         C++ and Python tests, daily pair                  make wheel    dist/braze-*.whl
#   make test-matrix  the same on both pairs of Python and PyTorch      make format   clang-format and ruff format
#   make lint         clang-format, clang-tidy on changed files, ruff   make clean    forget builds and environments
#   make test-sanitized  threads, forks, interrupts and lifetimes under AddressSanitizer; TESTS=... for others
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.ONESHELL:
.DELETE_ON_ERROR:
.SILENT:

# The pairs: daily is Python 3.11 with PyTorch 2.15, the second Python 3.12 with PyTorch 2.11. A machine without the named
# Python gets the nearest one that pyproject.toml allows.
DAILY_TORCH := 2.15
SECOND_TORCH := 2.11
DAILY_PYTHON = $(shell scripts/find_python.sh 3.11 3.12)
SECOND_PYTHON = $(shell scripts/find_python.sh 3.12 3.11)

DAILY := .venv
SECOND := .venv-torch2.11
DAILY_BUILD := build/daily
SECOND_BUILD := build/torch2.11
SANITIZED_BUILD := build/sanitized
SANITIZED_TESTS := $(addprefix tests/python/test_,threads_and_interrupts.py guards_lifetime.py callable.py cache_hostile.py)

PYTEST ?= -m pytest -q -n auto --maxprocesses 4
CPP_SOURCES := $(shell find csrc kernels tests/cpp -name '*.cpp' -o -name '*.h' -o -name '*.def' -o -name CMakeLists.txt 2>/dev/null)
PYTHON_SOURCES := $(shell find python -name '*.py' -o -name '*.pyi' 2>/dev/null)
PROJECT_FILES := CMakeLists.txt setup.py pyproject.toml

export PIP_DISABLE_PIP_VERSION_CHECK := 1
export TOKENIZERS_PARALLELISM := false

.PHONY: build demo test test-cpp test-python test-second test-matrix test-sanitized wheel format lint clean

build: $(DAILY)/.built

demo: $(DAILY)/.built
	$(DAILY)/bin/python examples/demo_minilm.py $(DEMO)

test: test-cpp test-python

test-cpp: $(DAILY)/.built
	cmake -B $(DAILY_BUILD) -DBRAZE_TESTS=ON >/dev/null
	cmake --build $(DAILY_BUILD)
	ctest --test-dir $(DAILY_BUILD) --output-on-failure

test-python: $(DAILY)/.built
	$(DAILY)/bin/python $(PYTEST) tests/python $(TESTS)

test-second: $(SECOND)/.built
	$(SECOND)/bin/python $(PYTEST) tests/python $(TESTS)

test-matrix: test
	$(MAKE) --no-print-directory test-second

test-sanitized: $(DAILY)/.built
	scripts/test_sanitized.sh $(SANITIZED_BUILD) $(DAILY)/bin/python $(or $(TESTS),$(SANITIZED_TESTS))

wheel: $(DAILY)/.built
	rm -rf dist build/lib.*
	BRAZE_BUILD_DIR=$(DAILY_BUILD) $(DAILY)/bin/pip wheel . -q --no-deps --no-build-isolation -w dist
	scripts/check_wheel.sh $(DAILY)/bin/python
	ls -l dist

format: .stamps/lint-tools $(DAILY)/.packages
	git ls-files 'csrc/*.h' 'csrc/*.cpp' 'kernels/*.h' 'kernels/*.cpp' 'tests/*.h' 'tests/*.cpp' | xargs -r clang-format-19 -i
	$(DAILY)/bin/ruff format -q .
	$(DAILY)/bin/ruff check -q --fix-only .

lint: .stamps/lint-tools $(DAILY)/.packages
	git ls-files 'csrc/*.h' 'csrc/*.cpp' 'kernels/*.h' 'kernels/*.cpp' 'tests/*.h' 'tests/*.cpp' | xargs -r clang-format-19 --dry-run --Werror
	$(DAILY)/bin/ruff format -q --check .
	$(DAILY)/bin/ruff check -q .
	scripts/tidy_changed_files.sh
	echo "lint: no complaints"

clean:
	rm -rf build dist .stamps .venv .venv-torch2.11 python/braze/_C*.so python/braze/_C*.json python/braze/libbraze_llvm.so

.stamps/system-packages: scripts/install_system_packages.sh
	scripts/install_system_packages.sh
	mkdir -p .stamps && touch $@

.stamps/lint-tools: scripts/install_system_packages.sh
	scripts/install_system_packages.sh --lint
	mkdir -p .stamps && touch $@

# $(call make-environment,folder,python,torch series): PyTorch first, so that nothing else chooses its version.
define make-environment
	if [ ! -x $(1)/bin/python ]; then
	  if [ -z "$(2)" ]; then
	    echo "braze needs Python 3.11 or 3.12 with its headers (apt-get install python3 python3-dev python3-venv)"
	    exit 1
	  fi
	  echo "making $(1): $$($(2) --version), PyTorch $(3)"
	  "$(2)" -m venv $(1)
	fi
	$(1)/bin/python -m pip install -q "pip>=25.1,<27"
	$(1)/bin/python -m pip install -q "torch==$(3).*" --group build --group test --group lint
	touch $@
endef

$(DAILY)/.packages: pyproject.toml | .stamps/system-packages
	$(call make-environment,$(DAILY),$(DAILY_PYTHON),$(DAILY_TORCH))

$(SECOND)/.packages: pyproject.toml | .stamps/system-packages
	if [ -z "$$(scripts/find_python.sh 3.12)" ]; then echo "no Python 3.12 here: the second pair uses $(SECOND_PYTHON)"; fi
	$(call make-environment,$(SECOND),$(SECOND_PYTHON),$(SECOND_TORCH))

# The daily pair is installed in place, so that edited Python files count at once; the second as users get it.
$(DAILY)/.built: $(DAILY)/.packages $(CPP_SOURCES) $(PROJECT_FILES)
	echo "building _C and libbraze_llvm for $(DAILY)"
	BRAZE_BUILD_DIR=$(DAILY_BUILD) $(DAILY)/bin/pip install -q --no-deps --no-build-isolation -e .
	touch $@

$(SECOND)/.built: $(SECOND)/.packages $(CPP_SOURCES) $(PYTHON_SOURCES) $(PROJECT_FILES)
	echo "building _C and libbraze_llvm for $(SECOND)"
	rm -rf build/lib.*
	BRAZE_BUILD_DIR=$(SECOND_BUILD) $(SECOND)/bin/pip install -q --no-deps --no-build-isolation --force-reinstall .
	touch $@
