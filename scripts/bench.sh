#!/usr/bin/env bash
# Builds the bench program in build/release, runs it on the shipped jets, prints a table and writes
# the same numbers to build/bench.json. Arguments are passed to the program (see its --help and
# bench/README.md).
set -euo pipefail
# shellcheck source=scripts/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

"$PROJECT_DIR/scripts/setup.sh"
step "configuring build/release" configure release release -DLORENTZNET_BENCH=ON
step "building the bench program (minutes the first time)" build release --target lorentznet_bench
"$PROJECT_DIR/build/release/bin/lorentznet_bench" --datadir "$PROJECT_DIR/data" \
  --json "$PROJECT_DIR/build/bench.json" "$@"
