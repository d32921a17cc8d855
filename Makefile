# The commands of the project. `make demo` and `make test` each do all the set-up they need.
#
# CARGO_TARGET_DIR, where everything is built, may lie outside the checkout. RELEASE=1 selects the
# release profile (thin LTO; some twenty minutes more from nothing).

SHELL := /bin/bash
.DEFAULT_GOAL := help

export CARGO_TARGET_DIR ?= $(CURDIR)/target
export RELEASE ?= 0
ifeq ($(RELEASE),1)
export LAMINAR_DIST ?= $(CARGO_TARGET_DIR)/laminar-dist-release
else
export LAMINAR_DIST ?= $(CARGO_TARGET_DIR)/laminar-dist
endif

# make demo ARGS='--fast --plain'
ARGS ?=

.PHONY: help
help: ## what there is to make
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 16

.PHONY: demo
demo: ## a year of flights through continuous SQL in a C program (ARGS='--fast --plain')
	@tests/tools.sh build
	@cmake/stage.sh
	@docs/demo/run.sh $(ARGS)

.PHONY: test
test: ## everything: lint, the engine, C, C++, packages, Python, Java, Node, the demo
	@tests/run.sh

# make random SECONDS=3600 SEED=1000
SECONDS ?= 600
SEED ?= 1000

.PHONY: random
random: ## the random tester for long (SECONDS=600 SEED=1000); failures become scripts
	@mkdir -p $(CARGO_TARGET_DIR)/laminar-tests
	cargo run --locked -p laminar-tests --bin laminar-slt -- --random --seed $(SEED) \
	    --seconds $(SECONDS) --failures 20 --write $(CARGO_TARGET_DIR)/laminar-tests/random

.PHONY: dist
dist: ## builds the library and stages include/ and lib/ for C, CMake, pkg-config and the bindings
	@tests/tools.sh build
	@cmake/stage.sh

.PHONY: bench
bench: ## the benchmarks, with the release profile
	@tests/tools.sh build
	@RELEASE=1 LAMINAR_DIST=$(CARGO_TARGET_DIR)/laminar-dist-release cmake/stage.sh
	@RELEASE=1 LAMINAR_DIST=$(CARGO_TARGET_DIR)/laminar-dist-release benches/run.sh $(ARGS)

.PHONY: lint
lint: ## formatting and clippy, warnings being errors
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --locked -- -D warnings

.PHONY: clean
clean: ## removes what was staged and the tests' and demo's own output, not Cargo's
	rm -rf $(CARGO_TARGET_DIR)/laminar-dist* $(CARGO_TARGET_DIR)/laminar-tests \
	    $(CARGO_TARGET_DIR)/laminar-demo
