"""Calls that are made both ways: by the compiled program, on copies and without its effects, and by the function for the
caller. What the two did must agree, or the entry goes.
"""

import time

from braze import _C
from braze.tracing import proof
from braze.tracing.argument_memory import ArgumentMemory
from braze.tracing.refusal import Refusal
from braze.tracing.results import collector, described


def shadow(session, entry, args, kwargs):
    """A hit now and then, long after the proof."""
    published = session.published(entry)
    if published is None or published.kind.executed.operators_in_python:
        return session.function(*args, **kwargs)
    compiled = published.compiled_for(args, kwargs)
    memory = ArgumentMemory(published.spec, args, kwargs, session.matching.places.by_owner())
    start = published.start_of(args, kwargs)
    result = session.function(*args, **kwargs)
    results, effects = results_of(result, memory)
    problem = proof.DECLINED
    if compiled is not None:
        problem = proof.disproves(compiled, published.program, start, results)
    look_at(session, published, problem, effects)
    return result


def rehearse(session, entry, args, kwargs):
    """A call with a clock: the trial of an entry for many sizes, where no two calls need be alike."""
    published = session.published(entry)
    if published is None:
        return session.function(*args, **kwargs)
    memory = ArgumentMemory(published.spec, args, kwargs, session.matching.places.by_owner())
    start = published.start_of(args, kwargs)
    if published.shapes is not None:  # verified before the clock runs
        published.shapes(published.compiled, published.spec.symbol_values(args, kwargs))
    try:
        rehearsed = entry.rehearse(args, kwargs, start.tensors)
    except Exception:  # eager raises it as well, and where the user's line is
        rehearsed = None
    ends = start.begin_again()
    if rehearsed is None:
        return session.miss(published.callable(), args, kwargs)
    begin = time.perf_counter_ns()
    result = session.function(*args, **kwargs)
    elapsed = time.perf_counter_ns() - begin
    nanoseconds, outputs = rehearsed
    results, effects = results_of(result, memory)
    problem = proof.differs(outputs, published.program, start, results)
    if not ends.hold():
        problem = problem or "a random number generator ends in another state"
    look_at(session, published, problem, effects)
    entry.add_trial(nanoseconds, elapsed)
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
        session.note(Refusal("proof", f"after {published.entry.hits} calls, {problem}"))
        session.value_sizes.disagreed(published)
        session.remove_entry(published.callable(), published.entry)
