#!/usr/bin/env bash
# Builds with the address and undefined-behaviour sanitizers (preset asan-ubsan) and runs tests under them.
#
#   scripts/sanitized.sh [--quick]
#
# All C++ tests, and of the Python tests those that give the programs what they must refuse: unusable data, damaged
# files, hostile checkpoints. (Not the odd situations, which limit the address space: the sanitizer needs terabytes of
# it.) The tests of CUDA kernels are not among them: scripts/emulator_checks.py builds those in its own way.
# --quick, for continuous integration: without the tests of a fake device, those that take longest, and of the Python
# tests all but damaged files. Fails if a test does, or if a sanitizer reports anything, which ends a program.
set -euo pipefail
# shellcheck source=scripts/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

QUICK=(io data tagger report fetch console kernels model train parallel app fuzz)
# Not in --quick: each takes 10 s to minutes of a core, to repeat a computation or for the full-size network. Names as
# ctest has them.
LONG=(
  'train:golden: 50 steps of AdamW'
  'train:a training stopped after any step'
  'model:fused training: the same bits for any number of threads'
  'model:fused inference: a network packed from its checkpoint'
  'model:fused inference: a score is independent of the batch'
  'model:fused gradients are central differences'
  'model:golden: gradients, a step of AdamW'
  'parallel:3 ranks follow'
  'parallel:4 ranks follow'
)

# any_of WORD...: a regular expression.
any_of() { (IFS='|' && echo "($*)"); }

case ${1:-} in
  '') targets=(all) tests=(-E '^python: ') python="^python: $(any_of corruption bad_input bad_checkpoint checkpoints)\$" ;;
  --quick)
    targets=("${QUICK[@]/#/test_}" reading_tool)
    tests=(-R "^$(any_of "${QUICK[@]}"):" -E "^$(any_of "${LONG[@]}")")
    python='^python: corruption$'
    ;;
  *) die "usage: scripts/sanitized.sh [--quick]" ;;
esac

# run_tests CTEST ARGUMENT...: an empty selection is an error.
run_tests() {
  (cd "$PROJECT_DIR" && ctest --preset asan-ubsan --parallel "$(job_count)" --no-tests=error "$@")
}

step "configuring build/asan-ubsan" configure asan-ubsan asan-ubsan
step "building with sanitizers (many minutes the first time)" build asan-ubsan --target "${targets[@]}"
status=0
say "C++ tests ..."
run_tests "${tests[@]}" || status=1
say "Python tests of bad input ..."
run_tests -R "$python" || status=1
exit $status
