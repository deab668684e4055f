#!/usr/bin/env bash
# Installs what is missing to build lorentznet: Debian packages (with apt-get, as root or through
# sudo) and LibTorch (with pip, into .deps/ in this repository). A second run changes nothing.
#
#   scripts/setup.sh [--plots] [--tests] [--cuda]
#     --plots: also matplotlib and mplhep, for scripts/plot.py and scripts/report.py
#     --tests: also these, the Python packages that the tests need, mpirun and a browser
#     --cuda: also the CUDA libraries that LibTorch needs on GPUs, and nvcc (2.9 GB)
#
# A LibTorch in CMAKE_PREFIX_PATH is used instead of installing one. LORENTZNET_SKIP_PACKAGES=1 skips
# the Debian packages (if the libraries come from elsewhere). The settings of pip and apt apply.
set -euo pipefail
# shellcheck source=scripts/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

mapfile -t PACKAGES < <(grep -v '^#' "$PROJECT_DIR/scripts/requirements-debian.txt")
# mpirun starts the programs, the browser opens a report, clang with libFuzzer is for scripts/fuzz.py.
TEST_PACKAGES=(openmpi-bin chromium-headless-shell clang-14 libclang-rt-14-dev)

# Sets `compiler` to the C++ compiler that CMake will use, or leaves it empty.
find_compiler() {
  local name
  compiler=()
  if [[ -n ${CXX:-} ]]; then
    read -r -a compiler <<<"$CXX"
    command -v "${compiler[0]}" >/dev/null || die "CXX names a compiler that does not exist: $CXX"
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
    die "the compiler ${compiler[*]} does not work: $(tail -n 1 <<<"$macros")"
  macro() { awk -v name="$1" '$2 == name { print $3 }' <<<"$macros"; }
  name=g++ version=$(macro __GNUC__) minimum=11
  if [[ -n $(macro __clang__) ]]; then
    name=clang version=$(macro __clang_major__) minimum=14
  fi
  ((${version:-0} >= minimum)) || die "${compiler[*]} is $name ${version:-(unknown)};" \
    "g++ 11 or clang 14 or newer is needed (set CXX to choose another compiler)"
  reason=$("${compiler[@]}" -std=c++20 -x c++ -fsyntax-only - 2>&1 <<<'#include <span>') ||
    die "${compiler[*]} has no C++20 library: $(grep -m 1 error <<<"$reason")"
}

check_tools() { # on systems without apt-get
  local tool missing=()
  for tool in cmake ninja python3 "${compiler[0]:-g++}"; do
    command -v "$tool" >/dev/null || missing+=("$tool")
  done
  ((${#missing[@]} == 0)) || die "this is not a Debian-like system; please install: ${missing[*]}"
  say "not a Debian-like system: CMake will report which of HDF5, libzip, libcurl, OpenSSL, xxHash," \
    "ISA-L, cxxopts, spdlog, Catch2 2 and nlohmann-json are missing"
}

needs_pip() { [[ $torch_wanted == 1 || $plots_wanted == 1 ]] && ! python3 -m pip --version &>/dev/null; }

builds_python_modules() {
  python3 -c 'import ensurepip, sysconfig; open(sysconfig.get_path("include") + "/Python.h")' &>/dev/null
}

install_debian_packages() {
  local package missing=()
  if [[ ${LORENTZNET_SKIP_PACKAGES:-} == 1 ]]; then return; fi
  if ! command -v apt-get dpkg-query >/dev/null; then
    check_tools
    return
  fi
  if ((${#compiler[@]} == 0)); then missing+=(g++); fi
  if ((tests_wanted)); then
    PACKAGES+=("${TEST_PACKAGES[@]}")
    # Debian's Python lacks what builds the Python package; one from elsewhere has it.
    builds_python_modules || PACKAGES+=(python3-dev python3-venv)
  fi
  for package in "${PACKAGES[@]}"; do
    has_package "$package" || missing+=("$package")
  done
  command -v python3 >/dev/null || missing+=(python3)
  # A Python from elsewhere gets pip from a virtual environment instead.
  if needs_pip && ! python3 -c 'import ensurepip' &>/dev/null; then missing+=(python3-pip); fi
  # ccache is optional: a failed installation must not stop the set-up.
  if ! has_package ccache && can_be_root; then missing+=(ccache); fi
  ((${#missing[@]} == 0)) || step "installing Debian packages: ${missing[*]}" install_packages "${missing[@]}"
}

check_python() {
  local version
  version=$(python3 -c 'import sys; print("%d.%d" % sys.version_info[:2])') || die "python3 does not work"
  [[ $version =~ ^3\.([0-9]+)$ && ${BASH_REMATCH[1]} -ge 11 ]] ||
    die "python3 is $version; 3.11 or newer is needed (LibTorch comes as a Python package)"
}

# Sets `pip` to a command: Python's own pip, or that of a virtual environment in .deps.
find_pip() {
  pip=(python3 -m pip)
  if ! needs_pip; then return; fi
  pip=("$DEPS_DIR/venv/bin/python" -m pip)
  "${pip[@]}" --version &>/dev/null && return
  python3 -m venv --clear "$DEPS_DIR/venv" >"$DEPS_DIR/pip.log" 2>&1 ||
    die "$(command -v python3) has no pip, and creating a virtual environment failed: $(last_line "$DEPS_DIR/pip.log")"
}

# pip_install REQUIREMENTS FOLDER [PIP ARGUMENT...]: FOLDER appears only once it is complete.
pip_install() {
  local requirements=$1 folder=$2 log=$DEPS_DIR/pip.log partial=$2.partial trouble
  shift 2
  rm -rf "$partial" "$DEPS_DIR/tmp"
  mkdir -p "$DEPS_DIR/tmp"
  # pip unpacks gigabytes into TMPDIR, and /tmp may be small. Fewer retries than pip's five report a
  # dead network within a minute.
  TMPDIR=$DEPS_DIR/tmp PIP_RETRIES=${PIP_RETRIES:-2} PIP_DISABLE_PIP_VERSION_CHECK=1 \
    "${pip[@]}" install --quiet --no-input --no-compile --only-binary=:all: "$@" \
    --requirement "$requirements" --target "$partial" >"$log" 2>&1 || {
    rm -rf "$partial" "$DEPS_DIR/tmp"
    trouble=$(network_trouble "$log")
    [[ -z $trouble ]] || die "pip cannot reach the package index ($trouble)"
    # All that pip prints without retries, for example without an index.
    ! grep -q 'from versions: none' "$log" ||
      die "pip found no such package: the index is unreachable or lacks it ($(last_line "$log"))"
    die "pip could not install ${requirements##*/}: $(last_line "$log") (log: $log)"
  }
  python3 -c 'import sys; print(sys.executable)' >"$partial/.python" # for scripts/prepared.py
  key_of "$requirements" >"$partial/.installed"
  rm -rf "$folder" "$DEPS_DIR/tmp"
  mv "$partial" "$folder"
}

# Identifies what a folder was installed from: the pinned versions and the Python.
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
    die "not enough disk space: $DEPS_DIR needs 3 GB, $((free_kb / 1000)) MB are free"
  find_pip
  step "installing $what into .deps/${folder##*/}" pip_install "$requirements" "$folder" "$@"
}

# Whether the environment variable CMAKE_PREFIX_PATH leads to a LibTorch.
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
  [[ -w $DEPS_DIR ]] || die "cannot write to $DEPS_DIR"
  if command -v flock >/dev/null; then
    exec 9>"$DEPS_DIR/lock"
    flock --nonblock 9 || { say "waiting for another setup.sh that is running here" && flock 9; }
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
      ensure "the CUDA libraries and nvcc (a download of about 2 GB)" requirements-cuda.txt cuda --no-deps
      # LibTorch looks for them beside itself. --force: what is there is the same files from a run before.
      cp --recursive --link --force "$DEPS_DIR/cuda/nvidia/." "$DEPS_DIR/python/nvidia/"
    fi
  fi
  if ((plots_wanted)); then
    ensure "matplotlib and mplhep (a download of about 50 MB)" requirements-plots.txt python-plots
  fi
  if ((tests_wanted)); then
    ensure "the tests' Python packages (a download of about 90 MB)" requirements-test.txt python-test
    ensure "ROOT, for a test (a download of about 250 MB)" requirements-root.txt python-root
  fi
  say "everything needed for the build is installed (checked in $SECONDS s)"
}

main "$@"
