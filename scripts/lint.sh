#!/usr/bin/env bash
# Checks the C++ sources with clang-format, check_floors.py (includes) and clang-tidy (library, programs).
#
#   scripts/lint.sh [--quick]      --quick: formatting and floors only (one second)
#
# Both tools must be version 14, as in Debian 12, because other versions format differently.
# clang-tidy reads what is compiled: a floor's sources as one, since LibTorch's headers take it most
# of a minute. A unit that has passed is skipped until one of its sources or of our headers changes.
set -euo pipefail
# shellcheck source=scripts/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

VERSION=14
PASSED_DIR=$PROJECT_DIR/build/tidy/passed

# find_tool NAME: prints the command of the required version; installs it if it is missing.
find_tool() {
  local name
  for name in "$1-$VERSION" "$1"; do
    if "$name" --version 2>/dev/null | grep -q "version $VERSION\."; then
      echo "$name"
      return
    fi
  done
  command -v apt-get >/dev/null || die "$1 $VERSION is needed"
  say "installing $1-$VERSION ..." >&2
  install_packages "$1-$VERSION"
  echo "$1-$VERSION"
}

# Tracked files and new files that git does not ignore, without deleted ones.
sources() {
  local file
  git -C "$PROJECT_DIR" ls-files --cached --others --exclude-standard -- "$@" |
    while IFS= read -r file; do
      if [[ -e $PROJECT_DIR/$file ]]; then echo "$file"; fi
    done
}

check_format() {
  local files
  cd "$PROJECT_DIR"
  mapfile -t files < <(sources '*.cpp' '*.h' '*.cu' '*.cuh')
  if ((${#files[@]} == 0)); then die "git lists no source files here (lint.sh needs a git checkout)"; fi
  "$clang_format" --dry-run --Werror "${files[@]}" ||
    die "the lines above are not formatted; to fix this, run: $clang_format -i FILE..."
}

# What a unit is compiled from: itself and, if it is a floor's sources as one, these.
parts_of() { echo "$1" && sed -n 's/^#include "\(.*\.cpp\)"$/\1/p' "$1"; }

# A unit with an unchanged key is not checked again.
tidy_key() { { printf '%s' "$tidy_context" && parts_of "$1" | xargs cat; } | sha256sum | cut -d ' ' -f 1; }

tidy_file() {
  local key
  key=$(tidy_key "$1")
  if [[ -e $PASSED_DIR/$key ]]; then return; fi
  echo "    $1"
  # The compile commands are GCC's: clang may lack some of its warnings, and OpenMP.
  "$clang_tidy" -p build/tidy --quiet --extra-arg=-Wno-unknown-warning-option --extra-arg=-fno-openmp "$1" \
    2> >(grep -v -E '^[0-9]+ warnings? (generated|treated)' >&2) || return 1
  touch "$PASSED_DIR/$key"
}

check_tidy() {
  local units
  cd "$PROJECT_DIR"
  # All that this build compiles; CUDA code is none of it here.
  mapfile -t units < <(sed -n 's/^  "file": "\(.*\)",\?$/\1/p' build/tidy/compile_commands.json | sort)
  tidy_context=$("$clang_tidy" --version &&
    sources '*.h' .clang-tidy '*CMakeLists.txt' '*.cmake' | sort | xargs cat | sha256sum)
  mkdir -p "$PASSED_DIR"
  export -f tidy_file tidy_key parts_of
  export tidy_context clang_tidy PASSED_DIR
  # shellcheck disable=SC2016  # the inner bash expands its own $1
  printf '%s\0' "${units[@]}" |
    xargs -0 -n 1 -P "$(job_count)" bash -c 'tidy_file "$1"' tidy ||
    die "clang-tidy reports the problems above"
}

check_floors() {
  python3 "$PROJECT_DIR/scripts/check_floors.py" ||
    die "the lines above include what they must not (docs/architecture.md)"
}

main() {
  local quick=0 clang_format clang_tidy
  if [[ ${1:-} == --quick ]]; then quick=1; fi
  clang_format=$(find_tool clang-format)
  step "checking the formatting" check_format
  step "checking that files include only from their own floor and lower ones" check_floors
  if ((quick)); then return; fi
  clang_tidy=$(find_tool clang-tidy)
  "$PROJECT_DIR/scripts/setup.sh"
  # Without the tests, which clang-tidy does not read.
  step "configuring build/tidy" configure release tidy -DLORENTZNET_TESTS=OFF
  step "running clang-tidy on changed files" check_tidy
}

main "$@"
