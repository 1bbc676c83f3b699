"""Checks, before _C is loaded, that it fits this Python and this PyTorch: one clear error, not a missing symbol."""

import json
import re
import sys
import sysconfig
from pathlib import Path

FOLDER = Path(__file__).parent


def check():
    """Returns braze's version, or raises ImportError saying what does not fit."""
    suffix = sysconfig.get_config_var("EXT_SUFFIX").removesuffix(".so")
    record = read_record(FOLDER / f"_C{suffix}.json")
    if record is None or not (FOLDER / f"_C{suffix}.so").exists():
        raise ImportError(missing_extension())
    try:
        import torch
    except ModuleNotFoundError:
        raise ImportError(f"braze needs PyTorch {series(record['torch'])}, and this environment has none.") from None
    if series(torch.__version__) != series(record["torch"]):
        raise ImportError(
            f"this braze was built for PyTorch {series(record['torch'])}, and this environment has PyTorch "
            f"{torch.__version__}. Install a matching PyTorch, or build braze again: pip install <its folder>"
        )
    return record["braze"]


def missing_extension():
    here = f"{sys.implementation.name} {sys.version_info.major}.{sys.version_info.minor} on {sysconfig.get_platform()}"
    records = [read_record(path) for path in sorted(FOLDER.glob("_C.*.json"))]
    pythons = ", ".join(record["python"] for record in records if record)
    if not pythons:
        return f"braze is not built: {FOLDER} has no extension module. In the checkout, run: pip install -e ."
    return f"this braze was built for Python {pythons}, and this is {here}. Install or build braze for this Python."


def read_record(path):
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError):
        return None


def series(version):
    """The first two numbers of a version: PyTorch keeps its binary interface within them."""
    return ".".join(re.findall(r"\d+", version)[:2])
