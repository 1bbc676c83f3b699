"""Calls that are made both ways: by the compiled program, on copies and without its effects, and by the function for the
caller. What the two did must agree, or the entry goes.
"""

import time

from braze import _C
from braze.tracing import proof
from braze.tracing.argument_memory import ArgumentMemory
from braze.tracing.refusal import Refusal
from braze.tracing.results import collector, described


class Shadow:
    """A hit now and then, long after the proof."""

    is_lost = False

    def __init__(self, session, published, args, kwargs):
        self.session, self.published = session, published
        self.can_compare = not published.kind.executed.operators_in_python
        if self.can_compare:
            self.compiled = published.compiled_for(args, kwargs)
            self.memory = ArgumentMemory(published.spec, args, kwargs, session.matching.places.by_owner())
            self.start = published.start_of(args, kwargs)

    def compare(self, result, _):
        if not self.can_compare:
            return
        results, effects = results_of(result, self.memory)
        problem = proof.DECLINED
        if self.compiled is not None:
            problem = proof.disproves(self.compiled, self.published.program, self.start, results)
        look_at(self.session, self.published, problem, effects)


class Rehearsal:
    """A call with a clock: the trial of an entry for many sizes, where no two calls need be alike."""

    def __init__(self, session, published, args, kwargs):
        self.session, self.published = session, published
        self.memory = ArgumentMemory(published.spec, args, kwargs, session.matching.places.by_owner())
        self.start = published.start_of(args, kwargs)
        if published.shapes is not None:  # verified before the clock runs
            published.shapes(published.compiled, published.spec.symbol_values(args, kwargs))
        try:
            self.rehearsed = published.entry.rehearse(args, kwargs, self.start.tensors)
        except Exception:  # eager raises it as well, and where the user's line is
            self.rehearsed = None
        self.ends = self.start.begin_again()
        self.is_lost = self.rehearsed is None

    def compare(self, result, elapsed):
        nanoseconds, outputs = self.rehearsed
        results, effects = results_of(result, self.memory)
        problem = proof.differs(outputs, self.published.program, self.start, results)
        if not self.ends.hold():
            problem = problem or "a random number generator ends in another state"
        look_at(self.session, self.published, problem, effects)
        self.published.entry.add_trial(nanoseconds, elapsed)


def call_both_ways(session, check_of, entry, args, kwargs):
    """The result of the call as the function gives it. `check_of`: one of the above."""
    published = session.published(entry)
    if published is None:
        return session.function(*args, **kwargs)
    try:
        check = check_of(session, published, args, kwargs)
    except Exception as error:
        drop(session, published, Refusal.internal(error))
        return session.function(*args, **kwargs)
    if check.is_lost:  # the entry does not answer this call after all
        return session.miss(published.callable(), args, kwargs)
    begin = time.perf_counter_ns()
    result = session.function(*args, **kwargs)
    elapsed = time.perf_counter_ns() - begin
    try:
        check.compare(result, elapsed)
    except Exception as error:
        drop(session, published, Refusal.internal(error))
    return result


def results_of(result, memory):
    """(the tensors, the effects) of a call that was made for real."""
    results = []
    outcome, effects = memory.outcome(result) or (result, None)
    _C.OutputTree.build(outcome, collector(results), [], memory.containers)
    return results, effects


def look_at(session, published, problem, effects):
    """Drops an entry that did something else than the call."""
    if described(effects) != described(published.effects):
        problem = problem or f"the call did {described(effects)} instead of {described(published.effects)}"
    if problem and problem != proof.DECLINED:
        session.value_sizes.disagreed(published)
        drop(session, published, Refusal("proof", f"after {published.entry.hits} calls, {problem}"))


def drop(session, published, refusal):
    session.note(refusal)
    session.remove_entry(published.callable(), published.entry)
