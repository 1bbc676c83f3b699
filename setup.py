"""Builds the package: CMake makes _C and libbraze_llvm against the environment's PyTorch, setuptools does the rest.

A build under pip's isolation works too: PyTorch is looked up by the environment's own interpreter, not by the isolated
one, so the extension always fits the PyTorch it will be imported beside.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tomllib
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

ROOT = Path(__file__).resolve().parent
FIND_TORCH = """
import importlib.util, json, pathlib, re
spec = importlib.util.find_spec("torch")
if spec is None:
    raise SystemExit(1)
text = pathlib.Path(spec.origin).with_name("version.py").read_text()
print(re.search(r"__version__ = '([^']+)'", text).group(1))
"""


def outer_environment():
    """The process environment without the search path of pip's isolated build."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}


def torch_version():
    found = subprocess.run([sys.executable, "-c", FIND_TORCH], capture_output=True, text=True, env=outer_environment())
    wanted = supported_torch()
    if found.returncode != 0:
        sys.exit(
            f"braze is compiled against the PyTorch it will run with, and {sys.executable} has none: "
            f"first run  pip install 'torch{wanted}'"
        )
    version = found.stdout.strip()
    release = tuple(int(part) for part in re.match(r"(\d+)\.(\d+)", version).groups())
    for sign, bound in re.findall(r"(>=|<)(\d+\.\d+)", wanted):
        limit = tuple(int(part) for part in bound.split("."))
        if not (release >= limit if sign == ">=" else release < limit):
            sys.exit(f"braze does not support PyTorch {version}: it needs torch{wanted}.")
    return version


def supported_torch():
    """The range pyproject.toml gives, say '>=2.11,<2.16'."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    return next(item for item in project["dependencies"] if item.startswith("torch"))[len("torch") :]


class BuildWithCMake(build_ext):
    """Builds in build/<python>-torch<series>, or BRAZE_BUILD_DIR, and puts both libraries beside the Python files."""

    def run(self):
        in_place = self.inplace or self.editable_mode
        package = (ROOT / "python" if in_place else Path(self.build_lib).resolve()) / "braze"
        version = torch_version()
        self.build(package, self.build_folder(version))
        self.write_record(package, version)

    def build_folder(self, version):
        series = ".".join(version.split(".")[:2])
        default = f"build/{sys.implementation.cache_tag}-torch{series}"
        return ROOT / os.environ.get("BRAZE_BUILD_DIR", default)

    def build(self, package, folder):
        if shutil.which("cmake") is None:
            sys.exit("braze needs CMake and a C++20 compiler to build: run scripts/install_system_packages.sh")
        configure = ["cmake", "-S", str(ROOT), "-B", str(folder), f"-DPython_EXECUTABLE={sys.executable}"]
        if not (folder / "CMakeCache.txt").exists():
            configure += ["-DCMAKE_BUILD_TYPE=Release", "-DBRAZE_TESTS=OFF"]
            configure += ["-G", "Ninja"] if shutil.which("ninja") else []
        jobs = os.environ.get("CMAKE_BUILD_PARALLEL_LEVEL") or str(os.cpu_count() or 1)
        package.mkdir(parents=True, exist_ok=True)
        for old in [*package.glob("*.so"), *package.glob("_C*.json")]:
            if old.is_symlink():
                old.unlink()  # or the copy would go through it
        self.cmake(configure)
        self.cmake(["cmake", "--build", str(folder), "--target", "_C", "braze_llvm", "--parallel", jobs])
        self.cmake(["cmake", "--install", str(folder), "--component", "python", "--prefix", str(package), "--strip"])

    def cmake(self, command):
        if subprocess.run(command, env=outer_environment()).returncode != 0:
            sys.exit(f"braze: the build stopped at: {' '.join(command)}")

    def write_record(self, package, version):
        """Leaves, beside _C, what it was built for: the import check compares it with what it finds."""
        record = {
            "braze": self.distribution.get_version(),
            "python": f"{sys.version_info.major}.{sys.version_info.minor}",
            "torch": version,
        }
        suffix = sysconfig.get_config_var("EXT_SUFFIX").removesuffix(".so")
        (package / f"_C{suffix}.json").write_text(json.dumps(record) + "\n")


setup(ext_modules=[Extension("braze._C", sources=[])], cmdclass={"build_ext": BuildWithCMake})
