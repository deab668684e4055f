#!/usr/bin/env bash
# Runs what takes too long for continuous integration, part by part, and ends with a summary: a line a part.
#
#   scripts/nightly.sh [PART ...]      default: all, which takes hours
#
# sanitizers  all C++ tests, and Python tests of bad input, under the address and undefined-behaviour sanitizers
# threads     the thread sanitizer: the tagger, loader, watch and loops over jets
# emulator    tests of CUDA kernels under sanitizers, and mistakes that they must find
# fuzzing     an hour, divided among what reads foreign files
# corruption  10,000 damaged files of each format
# crashes     all saves, killed or failing at each of their system calls
# long_run    a training of an hour that is disturbed a hundred times
#
# A part that fails does not stop the others. What a part prints is in build/nightly/PART.log. Exits with status 1 if
# a part failed. Needs scripts/setup.sh --tests.
set -euo pipefail
# shellcheck source=scripts/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

PARTS=(sanitizers threads emulator fuzzing corruption crashes long_run)
LOGS=$PROJECT_DIR/build/nightly

sanitizers() { scripts/sanitized.sh; }
threads() { scripts/threads.sh; }
emulator() { scripts/emulator_checks.py; }
fuzzing() { scripts/fuzz.py --seconds 450; } # of each of eight targets
corruption() { build_release && python3 tests/python/check_corruption.py build/release/bin/reading_tool 10000; }
crashes() { build_release && scripts/crash_matrix.py; }
long_run() { build_release && scripts/long_run.py --disturbances 100 --minutes 60; }

build_release() { configure release release && build release; }

# run_part NAME: in a process of its own, where a failing command ends the part.
run_part() {
  local name=$1 start=$SECONDS status=0 outcome=passed
  bash scripts/nightly.sh --only "$name" >"$LOGS/$name.log" 2>&1 || status=$?
  if ((status != 0)); then outcome="FAILED ($status)"; fi
  summary+=("$(printf '%-11s %-13s %6d s  %s' "$name" "$outcome" $((SECONDS - start)) "build/nightly/$name.log")")
  return $status
}

export PYTHONPATH=$DEPS_DIR/python-test
cd "$PROJECT_DIR"
if [[ ${1:-} == --only ]]; then
  "$2"
  exit
fi
for name in "$@"; do
  [[ " ${PARTS[*]} " == *" $name "* ]] || die "$name is not one of ${PARTS[*]}"
done
if (($# == 0)); then set -- "${PARTS[@]}"; fi
mkdir -p "$LOGS"
summary=()
failed=0
for name in "$@"; do
  say "$name ..."
  run_part "$name" || failed=$((failed + 1))
done
commit=$(git rev-parse --short=12 HEAD 2>/dev/null || echo "no commit")
say "summary of $(date +%F), $commit:"
printf '%s\n' "${summary[@]}"
say "$failed of $# parts failed"
((failed == 0))
