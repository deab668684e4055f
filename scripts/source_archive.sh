#!/usr/bin/env bash
# Writes lorentznet-VERSION.tar.gz: the tracked files of a commit, from which everything is built where the packages of
# scripts/requirements-*.txt are installed, without a network. The same commit gives the same bytes.
#
#   scripts/source_archive.sh [COMMIT [FOLDER]]   (HEAD, the current folder)
set -euo pipefail
# shellcheck source=scripts/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

main() {
  local commit=${1:-HEAD} folder=${2:-.} version name
  if (($# > 2)) || [[ $commit == -* ]]; then die "usage: scripts/source_archive.sh [COMMIT [FOLDER]]"; fi
  [[ -d $folder ]] || die "there is no folder $folder"
  git -C "$PROJECT_DIR" rev-parse --quiet --verify "$commit^{commit}" >/dev/null ||
    die "$PROJECT_DIR is no git checkout, or $commit no commit of it"
  version=$(git -C "$PROJECT_DIR" show "$commit:CMakeLists.txt" |
    sed -n 's/^project(lorentznet VERSION \([0-9.]*\) .*/\1/p')
  [[ -n $version ]] || die "CMakeLists.txt of $commit names no version"
  name=lorentznet-$version
  git -C "$PROJECT_DIR" archive --prefix="$name/" "$commit" | gzip -9n >"$folder/$name.tar.gz.partial"
  mv "$folder/$name.tar.gz.partial" "$folder/$name.tar.gz"
  if [[ $commit == HEAD && -n $(git -C "$PROJECT_DIR" status --porcelain) ]]; then
    say "not in it: what is not committed"
  fi
  (cd "$folder" && sha256sum "$name.tar.gz")
}

main "$@"
