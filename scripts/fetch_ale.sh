#!/usr/bin/env bash
# Puts the Arcade Learning Environment (C++ library, headers) into .dependencies/ale and its ROMs into
# .dependencies/roms: `fetch_ale.sh STAMP`, where STAMP is kept beside the result. bootstrap.sh decides whether and when.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

stamp=${1:?usage: fetch_ale.sh STAMP; call bootstrap.sh}
requirement=$root/scripts/ale/source.txt
mkdir -p "$dependencies"
work=$(mktemp -d "$dependencies/ale_work.XXXXXX")
trap 'rm -rf "$work"' EXIT
cd "$work"

# pip fetches, so that its configuration decides from where. It runs the archive's build backend to learn the name and
# version; that backend is installed here, pinned, since with build isolation pip would fetch unpinned packages.
python=$(find_python 14)
"$python" -m venv tools
tools/bin/python -m pip install --require-hashes --only-binary :all: --no-input --requirement "$root/scripts/ale/tools.txt"
PATH=$work/tools/bin:$PATH tools/bin/python -m pip download --require-hashes --no-deps --no-binary :all: \
  --no-build-isolation --no-input --dest . --requirement "$requirement"

# pip has checked the hash; what is unpacked below is checked once more, by itself.
archive=$(echo ale_py-*.tar.gz)
directory=${archive%.tar.gz}
echo "$(sed -n 's/.*--hash=sha256://p' "$requirement")  $archive" | sha256sum --check --strict
if tar -tzf "$archive" | grep -v "^$directory/" || tar -tzf "$archive" | grep -E '(^|/)\.\.(/|$)'; then
  die "$archive holds paths outside $directory; not unpacked"
fi
tar -xzf "$archive" --no-same-owner --no-same-permissions

# RelWithDebInfo with Release's flags: in Release, ALE's build switches link-time optimization on, and then only the
# compiler that made the library can link it, and every link of every program optimizes ALE anew.
cmake -S "$directory" -B build -G Ninja -DBUILD_CPP_LIB=ON -DBUILD_PYTHON_LIB=OFF -DBUILD_VECTOR_LIB=OFF \
  -DSDL_SUPPORT=OFF -DBUILD_SHARED_LIBS=OFF -DCMAKE_DISABLE_FIND_PACKAGE_Git=ON -DCMAKE_BUILD_TYPE=RelWithDebInfo \
  "-DCMAKE_CXX_FLAGS_RELWITHDEBINFO=-O3 -DNDEBUG" -DCMAKE_INSTALL_LIBDIR=lib -DCMAKE_INSTALL_PREFIX="$work/ale"
cmake --build build --target install -j "$(nproc)"
cp "$directory/LICENSE.md" ale/
mkdir roms
cp "$directory"/src/ale/python/roms/*.bin roms/

# Into place by renaming, the stamp's holder last: an interrupted call leaves nothing that looks complete.
printf '%s' "$stamp" >ale/.stamp
rm -rf "$dependencies/ale" "$dependencies/roms"
mv roms "$dependencies/roms"
mv ale "$dependencies/ale"
