# Functions shared by the scripts in this folder; sourced, never run. Needs bash 4 or newer.
# shellcheck shell=bash

PROJECT_DIR=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
DEPS_DIR=$PROJECT_DIR/.deps

say() { printf '==> %s\n' "$*"; }

die() {
  printf 'error: %s\n' "$*" >&2
  exit 1
}

# step TEXT COMMAND...: announces a step, runs it and prints how long it took.
step() {
  local text=$1 start=$SECONDS
  shift
  say "$text ..."
  "$@" # not in a condition: there bash would ignore set -e
  say "$text: done in $((SECONDS - start)) s"
}

# The last non-empty line of a log, usually the one that names the error.
last_line() { grep -v '^[[:space:]]*$' "$1" | tail -n 1 | cut -c 1-300 || true; }

# The first network error in a log of apt-get or pip, if there is one.
network_trouble() {
  grep -o -i -m 1 -E 'connection refused|(temporary )?failure (in name resolution|resolving)|name or service not known|could ?n.t resolve[^"]*|network is unreachable|no route to host|connection timed out|could not connect|read timed out|connect timeout|proxyerror|certificate verify failed|connection (aborted|reset)[a-z ]*' \
    "$1" | head -n 1 || true
}

# as_root COMMAND...: runs it as root, if necessary through passwordless sudo with the proxy settings.
can_be_root() { [[ $(id -u) == 0 ]] || sudo -n true 2>/dev/null; }
as_root() {
  local proxies
  if [[ $(id -u) == 0 ]]; then
    "$@"
  else
    mapfile -t proxies < <(env | grep -i '^[a-z]*_proxy=')
    sudo -n env "${proxies[@]}" "$@"
  fi
}

has_package() { [[ $(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null) == installed ]]; }

# install_packages NAME...: installs Debian packages, or fails with one line that says why.
install_packages() {
  local log trouble
  can_be_root || die "Debian packages are missing and this user cannot install them;" \
    "ask the administrator to run: apt-get install $*"
  mkdir -p "$DEPS_DIR"
  log=$DEPS_DIR/apt.log
  # A broken third-party source must not stop the set-up, so only the install command counts.
  as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=300 \
    update >"$log" 2>&1 </dev/null || true
  as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=300 \
    install --yes --no-install-recommends "$@" >>"$log" 2>&1 </dev/null && return
  trouble=$(network_trouble "$log")
  [[ -z $trouble ]] ||
    die "apt-get cannot reach the Debian mirror ($trouble), and these packages are missing: $*"
  die "apt-get could not install $*: $(last_line "$log") (log: $log)"
}

# How many compilers or linters to run at once: one per core, each with 1.5 GB of memory (for
# LibTorch's headers).
job_count() {
  local cores memory_kb
  cores=$(nproc 2>/dev/null || echo 2)
  memory_kb=$(awk '/^MemAvailable/ { print $2 }' /proc/meminfo 2>/dev/null || true)
  local by_memory=$((${memory_kb:-3000000} / 1500000))
  if ((by_memory < 1)); then by_memory=1; fi
  echo $((cores < by_memory ? cores : by_memory))
}

# configure PRESET FOLDER [CMAKE ARGUMENT...]: into build/FOLDER; prints CMake's output if it fails.
configure() {
  local preset=$1 folder=$PROJECT_DIR/build/$2 log=$PROJECT_DIR/build/$2-configure.log fresh=() python
  shift 2
  # A build folder copied or moved with the tree cannot be reused.
  if [[ -f $folder/CMakeCache.txt ]] &&
    ! grep -qx "CMAKE_HOME_DIRECTORY:INTERNAL=$PROJECT_DIR" "$folder/CMakeCache.txt"; then
    fresh=(--fresh)
  fi
  # The Python for which setup.sh installed the tests' packages.
  python=$(python3 -c 'import sys; print(sys.executable)')
  mkdir -p "$PROJECT_DIR/build"
  (cd "$PROJECT_DIR" && cmake --preset "$preset" -B "$folder" "${fresh[@]}" --no-warn-unused-cli \
    -DPython3_EXECUTABLE="$python" "$@") >"$log" 2>&1 || {
    cat "$log" >&2
    die "CMake could not configure build/${folder##*/} (see its output above)"
  }
}

# build PRESET [CMAKE --build ARGUMENT...]
build() {
  local preset=$1
  shift
  (cd "$PROJECT_DIR" && cmake --build --preset "$preset" \
    --parallel "${CMAKE_BUILD_PARALLEL_LEVEL:-$(job_count)}" "$@") ||
    die "the build failed (see the compiler's output above)"
}
