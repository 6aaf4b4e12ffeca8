#!/usr/bin/env bash
# Makes the lock files anew from what they are made from (tests/conformance/requirements.in, scripts/ale/tools.in,
# bench/peers/requirements.in, scripts/results/requirements.in): all versions, with the hashes for all platforms and for
# Python 3.10 and newer (3.11 for the peers and the pictures). Only for whoever changes a dependency; `lock.sh NAME...` makes only those.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

tools=$(mktemp -d)
trap 'rm -rf "$tools"' EXIT
"$(find_python 14)" -m venv "$tools"
"$tools/bin/python" -m pip install --quiet uv==0.13.9
cd "$root"
names=("$@")
((${#names[@]})) || names=(tests/conformance/requirements scripts/ale/tools bench/peers/requirements
  scripts/results/requirements)
for name in "${names[@]}"; do
  oldest=3.10
  [[ $name != bench/peers/* && $name != scripts/results/* ]] || oldest=3.11
  "$tools/bin/uv" pip compile --quiet --universal --python-version "$oldest" --generate-hashes --no-header --no-annotate \
    --no-emit-index-url --no-emit-find-links "$name.in" --output-file "$name.txt"
done
