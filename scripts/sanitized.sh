#!/usr/bin/env bash
# Builds with the address and undefined-behaviour sanitizers (preset asan-ubsan) and runs tests under them.
#
#   scripts/sanitized.sh [--quick]
#
# All C++ tests, and of the Python tests those that give the programs what they must refuse: unusable data, damaged
# files, hostile checkpoints. (Not the odd situations, which limit the address space: the sanitizer needs terabytes of
# it.) The tests of CUDA kernels are not among them: scripts/emulator_checks.py builds those in its own way.
# --quick, for continuous integration: the C++ tests of what reads files, without LibTorch, and damaged files. Fails if a
# test does, or if a sanitizer reports anything, which ends a program.
set -euo pipefail
# shellcheck source=scripts/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

WITHOUT_TORCH='io|data|tagger|report|fetch|console'
HOSTILE='corruption|bad_input|bad_checkpoint|checkpoints'

case ${1:-} in
  '') targets=all tests="-E ^python: " python="^python: ($HOSTILE)\$" ;;
  --quick)
    targets='test_io test_data test_tagger test_report test_fetch test_console reading_tool'
    tests="-R ^($WITHOUT_TORCH):" python='^python: corruption$'
    ;;
  *) die "usage: scripts/sanitized.sh [--quick]" ;;
esac

# run_tests CTEST ARGUMENT...: an empty selection is an error.
run_tests() {
  (cd "$PROJECT_DIR" && ctest --preset asan-ubsan --parallel "$(job_count)" --no-tests=error "$@")
}

step "configuring build/asan-ubsan" configure asan-ubsan asan-ubsan
# shellcheck disable=SC2086  # words
step "building with sanitizers (many minutes the first time)" build asan-ubsan --target $targets
status=0
say "C++ tests ..."
run_tests "${tests%% *}" "${tests#* }" || status=1
say "Python tests of bad input ..."
run_tests -R "$python" || status=1
exit $status
