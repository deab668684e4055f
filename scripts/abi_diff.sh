#!/usr/bin/env bash
# Says whether programs that were linked with one build of the tagger run with another, say the last
# release's and this one's:
#   scripts/abi_diff.sh OLD/liblorentznet_tagger.so NEW/liblorentznet_tagger.so
# Exits with 0 if they do, else with 1 and a list of what has changed. Needs abidiff (Debian's
# package abigail-tools). Builds with -g are compared by types as well as by symbols.
set -euo pipefail

if (($# != 2)); then
  sed -n '2,/^set/{/^set/d;s/^# \{0,1\}//p}' "$0"
  exit 2
fi
command -v abidiff > /dev/null || { echo "abi_diff.sh: abidiff is not installed (apt-get install abigail-tools)" >&2; exit 2; }
status=0
abidiff --headers-dir1 "$(dirname "$0")/../include" --headers-dir2 "$(dirname "$0")/../include" "$1" "$2" || status=$?
# Bit 0: an error; 1: of usage; 2: the interface has changed; 3: incompatibly. New functions alone are no harm.
if ((status & 3)); then exit 2; fi
exit $((status & 8 ? 1 : 0))
