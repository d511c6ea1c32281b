# Letopis: `make demo` shows the whole path, `make test` runs every test. Both set up what they need.
# One build profile (release, with assertions and overflow checks) serves every target.

CARGO ?= cargo
PROFILE := --release --locked
TARGET_DIR := $(if $(CARGO_TARGET_DIR),$(CARGO_TARGET_DIR),target)

.PHONY: help setup setup-tests build demo test simulation soak lint doc bench

help:
	@echo "make demo   build, then run the demonstration (one to three minutes after the build)"
	@echo "make test   run every test"
	@echo "make soak   three nodes under load and misfortune, for half an hour (SOAK_SECONDS=1800)"
	@echo "make lint   check format, lints and documentation; changes nothing"
	@echo "make bench  measure, beside the limits of this machine; BENCH_ARGS=rivals: beside others"
	@echo "make setup  check what the build needs and install it where allowed"

setup:
	@./deploy/setup.sh

setup-tests:
	@./deploy/setup.sh tests

build: setup
	$(CARGO) build $(PROFILE) --bins

demo: build
	$(TARGET_DIR)/release/letopis demo $(or $(DEMO_ARGS),--nodes 3 --applications 10000)

# The binaries first: whole-system tests start them as users do.
test: setup-tests build
	$(CARGO) fetch --locked
	$(CARGO) test $(PROFILE) --workspace --no-fail-fast

# `make test` does the same for two minutes. LETOPIS_SOAK_SEED=… replays a plan.
SOAK_SECONDS ?= 1800
soak: setup-tests build
	LETOPIS_SOAK_SECONDS=$(SOAK_SECONDS) $(CARGO) test $(PROFILE) --workspace --test cluster \
		-- --nocapture

# `make simulation SEEDS=2000 FIRST_SEED=1000`: more of what `make test` runs 200 of.
simulation: setup
	LETOPIS_SEEDS=$(or $(SEEDS),200) \
		LETOPIS_FIRST_SEED=$(or $(FIRST_SEED),1) $(CARGO) test $(PROFILE) -p letopis-tests --test simulation \
		nothing_is_lost -- --nocapture

lint: setup
	$(CARGO) fmt --all --check
	$(CARGO) clippy $(PROFILE) --workspace --all-targets -- --deny warnings
	RUSTDOCFLAGS="--deny warnings" $(CARGO) doc $(PROFILE) --workspace --no-deps

bench: build
	$(CARGO) run $(PROFILE) -p letopis-benches -- $(BENCH_ARGS)
