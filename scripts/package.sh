#!/usr/bin/env bash
# Makes an archive of the program that runs on another machine of this kind, without root and without installing
# anything: `package.sh [DIRECTORY]` (build/package). Prints its path. NOTICE says whom it may be given to.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
if asks_for_help "$@"; then
  sed -n '2,/^set/{/^#/s/^# //p}' "${BASH_SOURCE[0]}"
  exit
fi

directory=${1:-$root/build/package}
"$root/scripts/bootstrap.sh" build
"$root/scripts/build.sh" release eaudeqn
logged "$root/build/release/package.log" "packing" "the log says why" \
  cpack --config "$root/build/release/CPackConfig.cmake" -G TGZ -B "$directory"
rm -rf "$directory/_CPack_Packages"
ls "$directory"/eaudeqn-*.tar.gz
