# The words that people and CI use alike. `make` alone lists them.

CARGO ?= cargo

.PHONY: help setup run test lint bench check fuzz

help:            ## list these words
	@grep -E '^[a-z]+: .*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 14

setup:           ## install what building and testing need, by the system's packages
	@scripts/setup

run: setup       ## build, and start the hub with simulators of all partners, on SQLite in ./data
	$(CARGO) build --quiet --bin huitong
	./target/debug/huitong demo $(ARGS)

test: setup      ## run every test
	$(CARGO) build --bin huitong
	$(CARGO) test --workspace --no-fail-fast
	./target/debug/huitong check
	./target/debug/huitong test

lint: setup      ## format, clippy, dependencies: as CI does
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets -- -D warnings
	@if $(CARGO) deny --version >/dev/null 2>&1; then $(CARGO) deny check bans licenses sources; \
	else echo "cargo-deny is not installed: licences and duplicates were NOT checked (cargo install cargo-deny)"; fi

check:           ## lint channels, mappings and settings
	$(CARGO) run --quiet --bin huitong -- check

bench: setup     ## measure this machine and this build; writes docs/benchmarks.md
	$(CARGO) build --release --bin huitong
	./target/release/huitong bench $(ARGS)

FUZZ_SECONDS ?= 600

fuzz:            ## fuzz every parser, FUZZ_SECONDS each (needs cargo-fuzz and a nightly compiler); docs/fuzzing.md tells more
	@for crate in engine/formats engine/transport; do (cd $$crate && for target in $$($(CARGO) +nightly fuzz list); do \
	mkdir -p fuzz/corpus/$$target && $(CARGO) +nightly fuzz run $$target fuzz/corpus/$$target fuzz/seeds/$$target -- \
	-max_total_time=$(FUZZ_SECONDS) -max_len=4096 -timeout=20 || exit 1; done) || exit 1; done
