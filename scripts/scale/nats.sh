#!/bin/sh
# Measures the way over NATS JetStream on this machine: scripts/scale/nats.sh [SECONDS]. Needs nats-server (make setup).
set -eu
cd "$(dirname "$0")/../.."
cargo build --release --bin huitong
nats-server --version
cargo run --release -p hub-connect --features battery --example nats_rate -- "${1:-5}" target/release/huitong
