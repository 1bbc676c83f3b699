"""The import check: a braze that does not fit this Python or this PyTorch says so in one error."""

import json
import sys
import sysconfig

import pytest
import torch

import braze
from braze import installation

SUFFIX = sysconfig.get_config_var("EXT_SUFFIX").removesuffix(".so")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(installation, "FOLDER", tmp_path)
    return tmp_path


def install(folder, suffix, **record):
    (folder / f"_C{suffix}.so").touch()
    (folder / f"_C{suffix}.json").write_text(json.dumps({"braze": "0", "python": "3.9", "torch": "1.0", **record}))


def test_this_installation_fits():
    assert braze.__version__ == installation.check()


def test_not_built(folder):
    with pytest.raises(ImportError, match="braze is not built"):
        installation.check()


def test_another_python(folder):
    install(folder, ".cpython-39-somewhere")
    here = f"{sys.version_info.major}.{sys.version_info.minor}"
    with pytest.raises(ImportError, match=f"built for Python 3.9, and this is cpython {here}"):
        installation.check()


def test_another_pytorch(folder):
    install(folder, SUFFIX, torch="1.0.2+cpu")
    with pytest.raises(
        ImportError, match=f"built for PyTorch 1.0, and this environment has PyTorch {torch.__version__[:4]}"
    ):
        installation.check()


def test_another_patch_release_fits(folder):
    install(folder, SUFFIX, torch=installation.series(torch.__version__) + ".99")
    assert installation.check() == "0"


def test_damaged_record(folder):
    install(folder, SUFFIX)
    (folder / f"_C{SUFFIX}.json").write_text("{")
    with pytest.raises(ImportError, match="braze is not built"):
        installation.check()
