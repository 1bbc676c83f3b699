"""Options: the table is the only list of them, and every mistake is one clear error."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import braze
from braze import _C
from braze.options import PER_CALL, TABLE, CompileOptions, options_as_markdown

ROOT = Path(__file__).resolve().parents[2]


def test_readme_shows_the_table():
    assert options_as_markdown() in (ROOT / "README.md").read_text()


def test_stubs_and_signature_follow_the_table():
    assert set(CompileOptions.__annotations__) == set(PER_CALL)
    stub = (ROOT / "python/braze/_C.pyi").read_text().split("class Options:")[1].split("def __init__")[0]
    assert re.findall(r"^    (\w+): ", stub, re.M) == list(TABLE)


def test_process_options_are_read_and_set():
    before = braze.options.cache_size
    try:
        braze.options.cache_size = 17
        assert braze.options.cache_size == 17
        assert _C.Options().cache_size == 17
    finally:
        braze.options.cache_size = before
    assert "cache_size" in repr(braze.options) and "cache_size" in dir(braze.options)


def test_wrong_process_option():
    with pytest.raises(braze.UserError, match="no option 'cach_size'; the options are: numerics, "):
        braze.options.cach_size = 3
    with pytest.raises(braze.UserError, match='numerics=sloppy is not accepted; numerics can be: "eager", "fast"'):
        braze.options.numerics = "sloppy"
    with pytest.raises(AttributeError, match="it has: numerics, "):
        braze.options.cach_size  # noqa: B018
    assert braze.options.numerics == "eager"


@pytest.mark.parametrize(
    "given, message",
    [
        ({"fancy": 1}, "braze.compile: unknown option 'fancy'; it accepts: numerics, "),
        ({"cache_dir": "x"}, "unknown option 'cache_dir'; set it on braze.options"),
        ({"numerics": "sloppy"}, 'braze.compile: numerics=sloppy is not accepted; numerics can be: "eager", "fast"'),
        ({"freeze": "yes"}, "braze.compile: freeze=yes is not accepted; freeze can be: True, False"),
        ({"numerics": 3.5}, "braze.compile: numerics=3.5 is not accepted"),
        ({"freeze": 1}, "braze.compile: freeze=1 is not accepted; freeze can be: True, False"),
        ({"dynamic": True}, "braze.compile: dynamic=True is not accepted; dynamic can be: None, False"),
    ],
)
def test_wrong_option_of_a_call(given, message):
    with pytest.raises(braze.UserError, match=re.escape(message)):
        braze.compile(lambda x: x, **given)


def import_with(**environment):
    command = [sys.executable, "-c", "import braze; print(braze.options.numerics, braze.options.log)"]
    return subprocess.run(command, env=dict(os.environ, **environment), capture_output=True, text=True)


def test_environment():
    assert import_with(BRAZE_NUMERICS="fast", BRAZE_LOG="guards").stdout == "fast guards\n"


def test_wrong_environment_is_an_error_at_import():
    finished = import_with(BRAZE_LOG="noise")
    assert finished.returncode != 0
    assert "the environment has BRAZE_LOG=noise; it accepts: any of" in finished.stderr.splitlines()[-1]
