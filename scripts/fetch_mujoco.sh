#!/usr/bin/env bash
# Puts MuJoCo (library, headers) and Gymnasium's models of the tasks into .dependencies/mujoco/{lib,include,models}:
# `fetch_mujoco.sh STAMP`, where STAMP is kept beside the result. bootstrap.sh decides whether and when. It builds nothing.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

stamp=${1:?usage: fetch_mujoco.sh STAMP; call bootstrap.sh}
models=(ant half_cheetah hopper humanoid swimmer walker2d_v5)
mkdir -p "$dependencies"
work=$(mktemp -d "$dependencies/mujoco_work.XXXXXX")
trap 'rm -rf "$work"' EXIT
cd "$work"

# pip fetches, so that its configuration decides from where, and checks the hashes. The tags name the one wheel that is
# pinned, whichever Python is here: nothing of it is imported.
"$(find_python 14)" -m venv tools
tools/bin/python -m pip download --require-hashes --no-deps --only-binary :all: --no-input --implementation cp \
  --python-version 3.11 --abi cp311 --abi none --platform manylinux_2_28_x86_64 --platform any --dest . \
  --requirement "$root/scripts/mujoco/wheels.txt"
for wheel in *.whl; do
  tools/bin/python -m zipfile --extract "$wheel" "${wheel%%-*}"
done

mkdir -p result/{lib,include,models}
library=$(echo mujoco/mujoco/libmujoco.so.*)
cp "$library" result/lib/
ln -s "$(basename "$library")" result/lib/libmujoco.so
cp -r mujoco/mujoco/include/mujoco result/include/
cp mujoco/mujoco-*.dist-info/licenses/* result/
for model in "${models[@]}"; do
  cp "gymnasium/gymnasium/envs/mujoco/assets/$model.xml" result/models/
done
cp gymnasium/gymnasium-*.dist-info/licenses/LICENSE result/models/

# Into place by renaming: an interrupted call leaves nothing that looks complete.
printf '%s' "$stamp" >result/.stamp
rm -rf "$dependencies/mujoco"
mv result "$dependencies/mujoco"
