"""Builds the library of the Python package with CMake; the rest of the package is in pyproject.toml.

EAUDEQN_LIBRARY=FILE takes a libeaudeqn.so of this version that is there already. The wheel fits every Python 3: the
package opens the library by ctypes.
"""

import os
import shutil
import subprocess
from pathlib import Path

from setuptools import Distribution, setup
from setuptools.command.bdist_wheel import bdist_wheel
from setuptools.command.build_py import build_py

ROOT = Path(__file__).resolve().parent
BUILD = ROOT / "build" / "python"


def build_library() -> Path:
    launcher = ["-DCMAKE_CXX_COMPILER_LAUNCHER=ccache"] if shutil.which("ccache") else []
    subprocess.run(["cmake", "-S", ROOT, "-B", BUILD, "-G", "Ninja", "-DCMAKE_BUILD_TYPE=Release", "-DEAUDEQN_TESTS=OFF",
                    "-DEAUDEQN_LIBRARY_ONLY=ON", *launcher], check=True)  # fmt: skip
    jobs = os.environ.get("EAUDEQN_JOBS") or str(os.cpu_count() or 1)
    subprocess.run(["cmake", "--build", BUILD, "--target", "eaudeqn_shared", "--parallel", jobs], check=True)
    return BUILD / "libeaudeqn.so"


class BuildWithLibrary(build_py):
    def run(self):
        super().run()
        library = os.environ.get("EAUDEQN_LIBRARY")
        package = ROOT / "python" / "eaudeqn" if self.editable_mode else Path(self.build_lib) / "eaudeqn"
        shutil.copy(Path(library) if library else build_library(), package / "libeaudeqn.so")


class PlatformWheel(bdist_wheel):
    def get_tag(self):
        return "py3", "none", super().get_tag()[2]


class BinaryDistribution(Distribution):
    def has_ext_modules(self):
        return True


setup(cmdclass={"build_py": BuildWithLibrary, "bdist_wheel": PlatformWheel}, distclass=BinaryDistribution)
