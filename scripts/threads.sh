#!/usr/bin/env bash
# Builds with the thread sanitizer and runs what uses threads: the tagger (preset tsan); the loader of batches, the watch of
# the ranks, the loops over jets and what reads, checks and resamples in threads (preset threads, with std::thread in
# place of OpenMP). LibTorch isn't compiled with the sanitizer: what happens inside it is not judged. Fails if a test does
# or a race is found.
set -euo pipefail
# shellcheck source=scripts/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

# Program, and tests of it as Catch2 selects them.
TESTS=(
  'test_data' '*'
  'test_report' '*bootstrap*'
  'test_train' '*batches*,*loader*,*prepared*,*tables*'
  'test_kernels' '*'
  'test_parallel' '2 ranks follow*,ranks follow one process in float,scores and figures*,*come*'
)

# shellcheck disable=SC2317  # called by step
build_tagger() {
  configure tsan tsan
  build tsan
}

# shellcheck disable=SC2317
build_floors() {
  configure threads threads
  build threads --target test_data test_report test_train test_kernels test_parallel
}

# The sanitizer of GCC 12 doesn't know the random addresses of new kernels.
run_here() { (cd "$PROJECT_DIR" && setarch -R "$@"); }

status=0
step "building the tagger" build_tagger
say "tests of the tagger ..."
run_here ctest --preset tsan --no-tests=error || status=1
step "building all floors (many minutes the first time)" build_floors
export OMP_NUM_THREADS=4
# die_after_fork: the child that opens HDF5 files first is forked beside threads.
export TSAN_OPTIONS=suppressions=$PROJECT_DIR/tests/threads/suppressions.txt:halt_on_error=1:die_after_fork=0
for ((k = 0; k < ${#TESTS[@]}; k += 2)); do
  say "${TESTS[k]} ..."
  run_here "build/threads/bin/${TESTS[k]}" "${TESTS[k + 1]}" || status=1
done
exit $status
