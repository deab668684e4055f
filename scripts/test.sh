#!/usr/bin/env bash
# Installs what is missing, builds, and runs all tests. Arguments are passed to ctest, for example
# scripts/test.sh -R golden. With CI=true in the environment, compiler warnings are errors.
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
# One more than cores: a quarter of the tests' time is waiting.
ctest --preset release --parallel "$(($(nproc) + 1))" "$@" || status=$?
say "finished in $SECONDS s"
exit $status
