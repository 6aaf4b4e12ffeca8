#!/usr/bin/env bash
# Configures and builds one preset of CMakePresets.json: `build.sh PRESET [--tests] [--configure-only] [TARGET...]`.
# Quick if nothing changed. --tests builds the tests too and takes warnings as errors; without it the release build
# leaves the tests out.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

preset=${1:?usage: build.sh PRESET [--tests] [--configure-only] [TARGET...]}
shift
tests=OFF
configure_only=false
while [[ ${1:-} == --* ]]; do
  case $1 in
    --tests) tests=ON ;;
    --configure-only) configure_only=true ;;
    *) die "build.sh: unknown option $1" ;;
  esac
  shift
done
build=$root/build/$preset
cache=$build/CMakeCache.txt
log=$build/build.log

if command -v ccache >/dev/null; then
  export CMAKE_CXX_COMPILER_LAUNCHER=${CMAKE_CXX_COMPILER_LAUNCHER-ccache}
  # Without this, a source with a precompiled header is never found in the cache.
  export CCACHE_SLOPPINESS=${CCACHE_SLOPPINESS-pch_defines,time_macros,include_file_mtime,include_file_ctime}
fi

# Prints what the configuration depends on and CMake itself does not watch.
configuration() {
  echo "$root"
  cat "$root/CMakePresets.json" "$dependencies/ale/.stamp" "$dependencies/mujoco/.stamp" 2>/dev/null || true
}

configure() {
  local key options=()
  key=$(configuration | sha256sum)
  # The release build is shared: ./test turns the tests on, and ./run then leaves them on rather than building anew.
  if [[ $tests == ON ]]; then
    options=(-DEAUDEQN_TESTS=ON -DEAUDEQN_WERROR=ON)
  elif [[ ! -f $cache ]]; then
    options=(-DEAUDEQN_TESTS=OFF)
  fi
  if [[ -f $build/build.ninja && $(cat "$build/.configured" 2>/dev/null) == "$key" ]]; then
    [[ $tests == ON ]] || return 0
    [[ $(grep -cE '^EAUDEQN_(TESTS|WERROR):BOOL=ON$' "$cache") != 2 ]] || return 0
  fi
  # A build directory that came along with a copied checkout points at the original.
  if [[ -f $cache ]] && ! grep -qxF "CMAKE_HOME_DIRECTORY:INTERNAL=$root" "$cache"; then
    rm -rf "$build"
  fi
  (cd "$root" && logged "$log" "configuring $preset" "the log says what is missing; ./run installs what it knows of" \
    cmake --preset "$preset" "${options[@]}")
  printf '%s\n' "$key" >"$build/.configured"
}

compile() {
  # ninja -n could not tell whether there is work: it looks for new configs first, by CMake, and stops there.
  announce_after=5 logged "$log" "building $preset" "correct what the log shows, then run this again" \
    ninja -C "$build" -j "${EAUDEQN_JOBS:-$(nproc)}" "$@"
}

lock "$root/build/locks/$preset"
configure
if $configure_only; then
  # Only when something is built does CMake see for itself that its own files changed.
  ninja -C "$build" build.ninja >>"$log" 2>&1 || die "configuring $preset failed: see $log"
else
  compile "$@"
fi
