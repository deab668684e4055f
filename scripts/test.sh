#!/usr/bin/env bash
# Sets up, builds and runs all tests. Arguments go to ctest: scripts/test.sh -R golden
# With CI=true in the environment a compiler warning is an error.
set -euo pipefail
# shellcheck source=scripts/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

werror=OFF
if [[ ${CI:-} == true || ${CI:-} == 1 ]]; then werror=ON; fi

"$PROJECT_DIR/scripts/setup.sh" --tests
step "configuring build/release" configure release release -DLORENTZNET_TESTS=ON \
  -DLORENTZNET_WERROR=$werror
step "building the programs and tests (minutes the first time)" build release
say "running the tests ..."
cd "$PROJECT_DIR"
status=0
ctest --preset release --parallel "$(nproc)" "$@" || status=$?
say "all of it took $SECONDS s"
exit $status
