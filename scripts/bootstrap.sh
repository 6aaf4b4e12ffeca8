#!/usr/bin/env bash
# Installs what is missing, and nothing that is there: `bootstrap.sh build` what ./run needs, `bootstrap.sh test` what
# ./test needs on top. It builds nothing of this project. Called by ./run and ./test; safe to call at any time.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

profile=${1:-build}
logs=$dependencies/logs
pip_advice="the log says why; pip must reach a package index ('pip config list' shows which); then run this again"

packages=(g++ cmake ninja-build pkg-config python3 python3-venv libhwy-dev libcli11-dev libtomlplusplus-dev libfmt-dev
  nlohmann-json3-dev liblz4-dev libzstd-dev libxxhash-dev zlib1g-dev libjs-chart.js)
case $profile in
  build) ;;
  test)
    packages+=(git libgtest-dev libgmock-dev clang clang-tidy valgrind ffmpeg slurm-wlm munge lld qemu-system-arm)
    # The browser in which the report is tested. Ubuntu has none as a package: there, one must be installed.
    [[ ! -f /etc/debian_version ]] || grep -q '^ID=ubuntu' /etc/os-release || packages+=(chromium-headless-shell)
    ;;
  *) die "bootstrap.sh: unknown profile '$profile'; say build or test" ;;
esac

# Prints those of its arguments that are not installed.
missing_packages() {
  local installed package
  installed=" $(dpkg-query --show --showformat='${db:Status-Status}=${Package} ' "$@" 2>/dev/null || true) "
  for package in "$@"; do
    [[ $installed == *" installed=$package "* ]] || printf '%s\n' "$package"
  done
}

install_packages() {
  if ! command -v dpkg-query >/dev/null; then
    [[ -f $dependencies/ale/.stamp ]] ||
      say "this is not Debian or Ubuntu: their packages ${packages[*]} must be there under your system's names"
    return
  fi
  local missing
  mapfile -t missing < <(missing_packages "${packages[@]}")
  ((${#missing[@]})) || return 0
  local install=(apt-get install --yes --no-install-recommends "${missing[@]}")
  [[ $(id -u) == 0 ]] || die "packages are missing. Install them and run this again:
  sudo apt-get update && sudo ${install[*]}"
  export DEBIAN_FRONTEND=noninteractive
  local advice="look at the log, then run this again; the packages are: ${missing[*]}"
  logged "$logs/apt_update.log" "reading the package lists" "$advice" apt-get -o DPkg::Lock::Timeout=300 update
  logged "$logs/apt_install.log" "installing ${#missing[@]} packages: ${missing[*]}" "$advice" \
    "${install[@]}" -o DPkg::Lock::Timeout=300
}

install_ale() {
  local scripts=$root/scripts
  local key
  key=$(hash_of "$scripts/fetch_ale.sh" "$scripts/ale/source.txt" "$scripts/ale/tools.txt")
  [[ -d $dependencies/roms && $(cat "$dependencies/ale/.stamp" 2>/dev/null) == "$key" ]] && return
  logged "$logs/ale.log" "fetching and building ALE, once (about 2 minutes)" \
    "$pip_advice" \
    "$scripts/fetch_ale.sh" "$key"
}

install_mujoco() {
  local scripts=$root/scripts
  local key
  key=$(hash_of "$scripts/fetch_mujoco.sh" "$scripts/mujoco/wheels.txt")
  [[ $(cat "$dependencies/mujoco/.stamp" 2>/dev/null) == "$key" ]] && return
  if [[ $(uname -sm) != "Linux x86_64" ]]; then
    say "the pinned MuJoCo is for Linux on x86-64, which this is not: there will be no mujoco/ environments"
    return
  fi
  logged "$logs/mujoco.log" "fetching MuJoCo and the models of its tasks, once (35 MB)" \
    "$pip_advice" \
    "$scripts/fetch_mujoco.sh" "$key"
}

install_conformance() {
  local python key venv=$dependencies/venv lock=$root/tests/conformance/requirements.txt
  local rliable=$root/tests/conformance/rliable.txt
  # A virtual environment holds its own path, so it is good only where it was made.
  key="$(hash_of "$lock" "$rliable") $venv"
  [[ $(cat "$venv/.stamp" 2>/dev/null) == "$key" ]] && "$venv/bin/python" -c '' 2>/dev/null && return
  python=$(find_python 13)
  rm -rf "$venv"
  logged "$logs/venv.log" "making a Python environment for the conformance tests" \
    "install python3-venv, then run this again" "$python" -m venv "$venv"
  logged "$logs/pip.log" "installing the peers of the conformance tests (about 300 MB)" \
    "$pip_advice" \
    "$venv/bin/python" -m pip install --require-hashes --only-binary :all: --no-compile --no-input --requirement "$lock"
  # A source package: built with the setuptools that the lock has pinned.
  logged "$logs/pip_rliable.log" "installing rliable, which the statistics are compared with" \
    "$pip_advice" \
    "$venv/bin/python" -m pip install --require-hashes --no-deps --no-build-isolation --no-input --requirement "$rliable"
  printf '%s' "$key" >"$venv/.stamp"
}

lock "$dependencies/locks/bootstrap"
install_packages
# Downloading the peers and compiling ALE do not get into each other's way.
peers=
if [[ $profile == test ]]; then
  install_conformance &
  peers=$!
fi
install_ale
install_mujoco
[[ -z $peers ]] || wait "$peers"
