#!/usr/bin/env bash
# Checks the C++ sources: clang-format (all of them), then clang-tidy (the library and the programs).
#
#   scripts/lint.sh [--quick]      --quick: the formatting only (a second)
#
# Both tools are taken in the version that Debian 12 has, 14: another one formats differently. A file
# of LibTorch code takes clang-tidy most of a minute, so a file that passed isn't read again until it
# or one of our headers has changed.
set -euo pipefail
# shellcheck source=scripts/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

VERSION=14
PASSED_DIR=$PROJECT_DIR/build/tidy/passed

# find_tool NAME: prints the command of the right version, which is installed where it is missing.
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

# Tracked files and new ones that git doesn't ignore, less those that were deleted.
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
  if ((${#files[@]} == 0)); then die "git knows no sources here (lint.sh needs a git checkout)"; fi
  "$clang_format" --dry-run --Werror "${files[@]}" ||
    die "the lines above are not formatted; to mend: $clang_format -i FILE..."
}

# What decides whether clang-tidy must read a file again.
tidy_key() { { printf '%s' "$tidy_context" && cat "$1"; } | sha256sum | cut -d ' ' -f 1; }

tidy_file() {
  local key
  key=$(tidy_key "$1")
  if [[ -e $PASSED_DIR/$key ]]; then return; fi
  echo "    $1"
  # The compile commands are GCC's: clang need not know all of its warnings, nor have an OpenMP.
  "$clang_tidy" -p build/tidy --quiet --extra-arg=-Wno-unknown-warning-option --extra-arg=-fno-openmp "$1" \
    2> >(grep -v -E '^[0-9]+ warnings? (generated|treated)' >&2) || return 1
  touch "$PASSED_DIR/$key"
}

check_tidy() {
  local files
  cd "$PROJECT_DIR"
  # What this machine does not compile, such as the code for GPUs, clang-tidy can't read either.
  mapfile -t files < <(sources 'src/*.cpp' 'apps/*.cpp' 'bench/*.cpp' |
    while IFS= read -r file; do
      if grep -qF "/$file\"" build/tidy/compile_commands.json; then echo "$file"; fi
    done)
  tidy_context=$("$clang_tidy" --version &&
    sources '*.h' .clang-tidy '*CMakeLists.txt' '*.cmake' | sort | xargs cat | sha256sum)
  mkdir -p "$PASSED_DIR"
  export -f tidy_file tidy_key
  export tidy_context clang_tidy PASSED_DIR
  # shellcheck disable=SC2016  # the inner bash expands its own $1
  printf '%s\0' "${files[@]}" |
    xargs -0 -n 1 -P "$(job_count)" bash -c 'tidy_file "$1"' tidy ||
    die "clang-tidy has found something (above)"
}

main() {
  local quick=0 clang_format clang_tidy
  if [[ ${1:-} == --quick ]]; then quick=1; fi
  clang_format=$(find_tool clang-format)
  step "checking the formatting" check_format
  if ((quick)); then return; fi
  clang_tidy=$(find_tool clang-tidy)
  "$PROJECT_DIR/scripts/setup.sh"
  # A build folder of its own: GCC's precompiled header is nothing that clang can read.
  step "configuring build/tidy" configure release tidy \
    -DCMAKE_DISABLE_PRECOMPILE_HEADERS=ON -DLORENTZNET_TESTS=OFF
  step "running clang-tidy on what has changed" check_tidy
}

main "$@"
