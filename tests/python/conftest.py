"""Shared set-up: a cache folder of the session's own, threads shared among workers, and counts by outcome at the end.

A test hands its counts over with the `tally` fixture; they travel with its report, so they add up across workers too.
"""

import collections
import os
import tempfile
import warnings

import pytest

if "BRAZE_CACHE_DIR" not in os.environ:
    session_cache = tempfile.TemporaryDirectory(prefix="braze-tests-")
    os.environ["BRAZE_CACHE_DIR"] = session_cache.name

# Smallest share of cases compiled once a whole suite has run: suite -> (outcomes that count, share, cases).
FLOORS = {
    "operators": (("compiled", "view"), 0.65, 600),
    "operator samples": (("compiled", "view", "extern"), 0.75, 9000),
    "programs": (("compiled",), 0.75, 300),
    "generated aliasing programs": (("compiled",), 0.60, 300),
    "models": (("compiled",), 0.75, 18),
}

totals = collections.defaultdict(collections.Counter)
per_operator = {}


def pytest_addoption(parser):
    parser.addoption("--operator-table", metavar="FILE", help="write the outcomes of each operator's samples to FILE")


def pytest_configure(config):
    import torch

    workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    torch.set_num_threads(max(1, min(2, (os.cpu_count() or 1) // workers)))
    warnings.filterwarnings("ignore", module="torch")


@pytest.fixture
def entries_always_used():
    """Uses every entry that is right, also where it is not faster: tests are about being right.

    BRAZE_TESTS_ON_TRIAL=1 lets the clock decide as it does for users; tests that count entries fail then.
    """
    import braze

    before = braze.options.trial
    braze.options.trial = bool(os.environ.get("BRAZE_TESTS_ON_TRIAL"))
    yield
    braze.options.trial = before


@pytest.fixture
def process_option():
    """Sets options of the process for one test."""
    import braze

    before = {}

    def change(**values):
        for name, value in values.items():
            before[name] = getattr(braze.options, name)
            setattr(braze.options, name, value)

    yield change
    for name, value in before.items():
        setattr(braze.options, name, value)


@pytest.fixture
def tally(record_property):
    """`tally(suite, compiled=1, refused=2)` adds to the counts printed at the end of the session."""

    def add(suite, **counts):
        record_property("tally", [suite, counts])

    return add


def pytest_runtest_logreport(report):
    if report.when != "call":
        return
    for name, value in report.user_properties:
        if name == "tally":
            suite, counts = value
            totals[suite].update(counts)
        if name == "operator":
            per_operator.update([value])


def write_operator_table(path):
    """A line an operator: the share of its samples (but for those that raise) that a compiled form answers, and what
    became of each."""
    with open(path, "w") as table:
        for name, counts in sorted(per_operator.items()):
            answered = sum(counts.values()) - counts.get("raises", 0)
            compiled = counts.get("compiled", 0) + counts.get("view", 0)
            outcomes = ", ".join(f"{count} {outcome}" for outcome, count in sorted(counts.items()))
            table.write(f"{name}\t{compiled / max(answered, 1):.0%}\t{outcomes}\n")


def below_floor():
    for suite, (counted, share, cases) in FLOORS.items():
        counts = totals.get(suite)
        if counts and sum(counts.values()) >= cases:
            reached = sum(counts[outcome] for outcome in counted) / sum(counts.values())
            if reached < share:
                yield f"{suite}: {' + '.join(counted)} is {reached:.1%}, must be at least {share:.0%}"


def pytest_sessionfinish(session):
    if session.exitstatus == 0 and not hasattr(session.config, "workerinput") and any(below_floor()):
        session.exitstatus = 1


def pytest_terminal_summary(terminalreporter):
    if totals:
        terminalreporter.section("outcomes")
    for suite, counts in sorted(totals.items()):
        parts = ", ".join(f"{count} {outcome}" for outcome, count in counts.most_common())
        terminalreporter.line(f"{suite}: {sum(counts.values())} cases: {parts}")
    if operators := totals.get("operators"):
        compiled = operators["compiled"] + operators["view"]
        terminalreporter.line(f"operators with a compiled form: {compiled / sum(operators.values()):.1%}")
    if path := terminalreporter.config.getoption("--operator-table"):
        write_operator_table(path)
    for complaint in below_floor():
        terminalreporter.line(f"TOO FEW COMPILED: {complaint}", red=True)
