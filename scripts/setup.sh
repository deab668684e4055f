#!/usr/bin/env bash
# Installs what building lorentznet needs and this machine lacks: Debian packages (with apt-get, as
# root or by sudo) and LibTorch (with pip, into .deps/ of this folder). A second run changes nothing.
#
#   scripts/setup.sh [--plots] [--tests] [--cuda]
#     --plots: also what scripts/plot.py and report.py draw with
#     --tests: that, what the tests compare with, an mpirun and a browser
#     --cuda: also the CUDA libraries that LibTorch needs for GPUs (2.7 GB)
#
# LibTorch is not installed when CMAKE_PREFIX_PATH has one. LORENTZNET_SKIP_PACKAGES=1 leaves the
# Debian packages alone (for libraries from elsewhere). pip's and apt's own settings are respected.
set -euo pipefail
# shellcheck source=scripts/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

PACKAGES=(cmake ninja-build libhdf5-dev hdf5-filter-plugin-blosc-serial libcxxopts-dev libspdlog-dev
  catch2 nlohmann-json3-dev libzip-dev libgloo-dev libcurl4-openssl-dev libssl-dev libxxhash-dev libisal-dev)
TEST_PACKAGES=(openmpi-bin chromium-headless-shell) # tests: mpirun starts the programs, a browser reads a report

# Sets `compiler` to the C++ compiler that CMake will take, or to nothing.
find_compiler() {
  local name
  compiler=()
  if [[ -n ${CXX:-} ]]; then
    read -r -a compiler <<<"$CXX"
    command -v "${compiler[0]}" >/dev/null || die "CXX names a compiler that isn't there: $CXX"
    return
  fi
  for name in c++ g++ clang++; do
    if command -v "$name" >/dev/null; then
      compiler=("$name")
      return
    fi
  done
}

check_compiler() {
  local macros name version minimum reason
  macros=$("${compiler[@]}" -x c++ -dM -E - </dev/null 2>&1) ||
    die "the compiler ${compiler[*]} doesn't work: $(tail -n 1 <<<"$macros")"
  macro() { awk -v name="$1" '$2 == name { print $3 }' <<<"$macros"; }
  name=g++ version=$(macro __GNUC__) minimum=11
  if [[ -n $(macro __clang__) ]]; then
    name=clang version=$(macro __clang_major__) minimum=14
  fi
  ((${version:-0} >= minimum)) || die "${compiler[*]} is $name ${version:-(unknown)};" \
    "g++ 11 or clang 14 or newer is needed (the variable CXX chooses another one)"
  reason=$("${compiler[@]}" -std=c++20 -x c++ -fsyntax-only - 2>&1 <<<'#include <span>') ||
    die "${compiler[*]} has no C++20 library: $(grep -m 1 error <<<"$reason")"
}

check_tools() { # where there is no apt-get
  local tool missing=()
  for tool in cmake ninja python3 "${compiler[0]:-g++}"; do
    command -v "$tool" >/dev/null || missing+=("$tool")
  done
  ((${#missing[@]} == 0)) || die "this is no Debian-like system, so please install yourself: ${missing[*]}"
  say "not a Debian-like system: CMake will say which of HDF5, libzip, libcurl, OpenSSL, xxHash," \
    "ISA-L, cxxopts, spdlog, Catch2 2 and nlohmann-json are missing"
}

needs_pip() { [[ $torch_wanted == 1 || $plots_wanted == 1 ]] && ! python3 -m pip --version &>/dev/null; }

install_debian_packages() {
  local package missing=()
  if [[ ${LORENTZNET_SKIP_PACKAGES:-} == 1 ]]; then return; fi
  if ! command -v apt-get dpkg-query >/dev/null; then
    check_tools
    return
  fi
  if ((${#compiler[@]} == 0)); then missing+=(g++); fi
  if ((tests_wanted)); then PACKAGES+=("${TEST_PACKAGES[@]}"); fi
  for package in "${PACKAGES[@]}"; do
    has_package "$package" || missing+=("$package")
  done
  command -v python3 >/dev/null || missing+=(python3)
  # A Python that is not Debian's gets its pip from a virtual environment instead.
  if needs_pip && ! python3 -c 'import ensurepip' &>/dev/null; then missing+=(python3-pip); fi
  # ccache is a comfort: worth installing, not worth failing for.
  if ! has_package ccache && can_be_root; then missing+=(ccache); fi
  ((${#missing[@]} == 0)) || step "installing Debian packages: ${missing[*]}" install_packages "${missing[@]}"
}

check_python() {
  local version
  version=$(python3 -c 'import sys; print("%d.%d" % sys.version_info[:2])') || die "python3 doesn't work"
  [[ $version =~ ^3\.([0-9]+)$ && ${BASH_REMATCH[1]} -ge 11 ]] ||
    die "python3 is $version; 3.11 or newer is needed (LibTorch comes as a Python package)"
}

# Sets `pip` to a command: Python's own pip, else one from a virtual environment under .deps.
find_pip() {
  pip=(python3 -m pip)
  if ! needs_pip; then return; fi
  pip=("$DEPS_DIR/venv/bin/python" -m pip)
  "${pip[@]}" --version &>/dev/null && return
  python3 -m venv --clear "$DEPS_DIR/venv" >"$DEPS_DIR/pip.log" 2>&1 ||
    die "$(command -v python3) has no pip and can't make one: $(last_line "$DEPS_DIR/pip.log")"
}

# pip_install REQUIREMENTS FOLDER [PIP ARGUMENT...]: complete, or not there at all.
pip_install() {
  local requirements=$1 folder=$2 log=$DEPS_DIR/pip.log partial=$2.partial trouble
  shift 2
  rm -rf "$partial" "$DEPS_DIR/tmp"
  mkdir -p "$DEPS_DIR/tmp"
  # TMPDIR: pip unpacks gigabytes there, and /tmp may be small. Fewer retries than pip's five: a
  # dead network should be said within the minute.
  TMPDIR=$DEPS_DIR/tmp PIP_RETRIES=${PIP_RETRIES:-2} PIP_DISABLE_PIP_VERSION_CHECK=1 \
    "${pip[@]}" install --quiet --no-input --no-compile --only-binary=:all: "$@" \
    --requirement "$requirements" --target "$partial" >"$log" 2>&1 || {
    rm -rf "$partial" "$DEPS_DIR/tmp"
    trouble=$(network_trouble "$log")
    [[ -z $trouble ]] || die "pip can't reach the package index ($trouble)"
    # pip says no more than this where it may not retry, as with no index at all.
    ! grep -q 'from versions: none' "$log" ||
      die "pip finds nothing, so the package index is out of reach or lacks it ($(last_line "$log"))"
    die "pip could not install ${requirements##*/}: $(last_line "$log") (log: $log)"
  }
  key_of "$requirements" >"$partial/.installed"
  rm -rf "$folder" "$DEPS_DIR/tmp"
  mv "$partial" "$folder"
}

# What an installed folder is the result of: these pins, for this Python.
key_of() {
  { cat "$1" && python3 -c 'import sys, platform; print(sys.version_info[:2], platform.machine())'; } |
    sha256sum | cut -d ' ' -f 1
}

# ensure WHAT REQUIREMENTS FOLDER [PIP ARGUMENT...]
ensure() {
  local what=$1 requirements=$PROJECT_DIR/scripts/$2 folder=$DEPS_DIR/$3 free_kb
  shift 3
  if [[ $(cat "$folder/.installed" 2>/dev/null) == "$(key_of "$requirements")" ]]; then return; fi
  free_kb=$(df -Pk "$DEPS_DIR" | awk 'NR == 2 { print $4 }')
  ((free_kb >= 3000000)) ||
    die "not enough disk: 3 GB are needed in $DEPS_DIR, $((free_kb / 1000)) MB are free"
  find_pip
  step "installing $what into .deps/${folder##*/}" pip_install "$requirements" "$folder" "$@"
}

# True when CMAKE_PREFIX_PATH (the environment's) has a LibTorch.
has_torch() {
  local prefix
  local -a prefixes
  IFS=':;' read -r -a prefixes <<<"${CMAKE_PREFIX_PATH:-}"
  for prefix in "${prefixes[@]}"; do
    compgen -G "$prefix/lib/libtorch_cpu.*" >/dev/null && return
    compgen -G "$prefix/torch/lib/libtorch_cpu.*" >/dev/null && return
  done
  return 1
}

main() {
  local argument tests_wanted=0 plots_wanted=0 cuda_wanted=0 torch_wanted=1 compiler pip
  for argument in "$@"; do
    case $argument in
    --tests) tests_wanted=1 plots_wanted=1 ;;
    --plots) plots_wanted=1 ;;
    --cuda) cuda_wanted=1 ;;
    --help | -h)
      sed -n '2,/^set/{/^set/d;s/^# \{0,1\}//;p}' "${BASH_SOURCE[0]}"
      return
      ;;
    *) die "unknown argument $argument (see scripts/setup.sh --help)" ;;
    esac
  done
  mkdir -p "$DEPS_DIR" 2>/dev/null || true
  [[ -w $DEPS_DIR ]] || die "can't write to $DEPS_DIR"
  if command -v flock >/dev/null; then
    exec 9>"$DEPS_DIR/lock"
    flock --nonblock 9 || { say "another setup is running here: waiting for it" && flock 9; }
  fi
  if has_torch; then torch_wanted=0 && say "using the LibTorch in CMAKE_PREFIX_PATH"; fi
  find_compiler
  if ((${#compiler[@]} > 0)); then check_compiler; fi
  install_debian_packages
  if ((${#compiler[@]} == 0)); then find_compiler && check_compiler; fi
  check_python
  if ((torch_wanted)); then
    ensure "LibTorch (a download of about 600 MB)" requirements-torch.txt python --no-deps
    if ((cuda_wanted)); then
      ensure "the CUDA libraries (a download of about 2 GB)" requirements-cuda.txt cuda --no-deps
      # LibTorch looks for them beside itself.
      cp --recursive --link --no-clobber "$DEPS_DIR/cuda/nvidia/." "$DEPS_DIR/python/nvidia/"
    fi
  fi
  if ((plots_wanted)); then
    ensure "matplotlib and mplhep (a download of about 50 MB)" requirements-plots.txt python-plots
  fi
  if ((tests_wanted)); then
    ensure "the tests' Python packages (a download of about 90 MB)" requirements-test.txt python-test
  fi
  say "everything that the build needs is there (checked in $SECONDS s)"
}

main "$@"
