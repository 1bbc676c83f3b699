"""For which sizes a program that was found from a few calls holds: the path guards that Python's code gave, and what
the tape of PyTorch functions does at those sizes.

Sizes are verified by a replay of the tape: its recording, lowered and scheduled as any call's, must be
the program at these sizes, integer for integer. Between verified sizes only the path guards are looked at, and the
verified range grows by doubling, so that n sizes cost log n replays. Where a size is a fraction of another (a strided
convolution, a chunk) each is replayed, for the rounding between verified ones is not known.
"""

import re
import time

from braze import _C
from braze.tracing.tape import Busy, Diverged

MOST_POINTS = 4096
# A replay at twice the sizes may take four times the memory and time; beyond these it goes less far, or just there.
LARGE_SECONDS = 0.25
LARGE_BYTES = 1 << 28
HUGE_BYTES = 1 << 31


class ShapeFunction:
    """Answers whether `call`, a braze._C.SymbolicCall, holds at given sizes. It does not hold the call itself, which
    holds it.
    """

    def __init__(self, spec, lesson, captured, options):
        self.spec = spec
        self.tape = lesson.tape
        self.guards = lesson.guards
        self.captured = captured  # numbers of the captured tensors on the tape
        self.options = options
        self.condition = compile(self.guards.source(), "<path guards>", "eval")
        sources = self.tape.size_sources()
        self.computed = compile(f"({''.join(source + ', ' for source in sources)})", "<sizes>", "eval")
        self.reads = sorted(set(re.findall(r"r\d+", self.guards.source() + " ".join(sources))))
        self.expressions = None  # of the reads, then of what Python computed, in symbols
        self.shapes = None  # the sizes of all tensors of the tape, in symbols
        self.low = self.high = None  # corners of the verified range
        self.points = set()  # verified outside of it
        self.seconds = self.bytes = 0  # of the last replay
        self.problem = ""  # why sizes were turned away last

    def learn_reads(self, call, first, second):
        """Takes the two sizes that the program was found from; False when it does not hold for them."""
        verified = [self.verified(call, symbols) for symbols in (first, second)]
        if None in verified:
            return False
        values, sizes = zip(*verified)
        self.expressions = _C.SizeExpressions.fit(*map(self.numbers, values), first, second)
        self.shapes = _C.VaryingIntegers.fit(*sizes, first, second)
        if self.expressions is None or self.shapes is None:
            self.problem = "a size that Python computes is no simple expression of those that vary"
            return False
        self.grow(call, first)
        self.grow(call, second)
        return True

    def __call__(self, call, symbols):
        """True, False, or None when it cannot be said now."""
        if tuple(symbols) in self.points:
            return True
        if self.is_within(symbols) and self.has_no_fractions(call) and (held := self.path_holds(symbols)) is not None:
            return held
        try:
            if self.verified(call, symbols) is None:
                return False
            self.grow(call, symbols)
        except Busy:
            return None
        except Exception as error:  # a bug of ours must not cost the user the call
            self.problem = f"{type(error).__name__}: {error}"
            _C.log_line("refusals", f"internal: {self.problem}")
            return False
        if len(self.points) < MOST_POINTS and not self.has_no_fractions(call):
            self.points.add(tuple(symbols))
        return True

    def has_no_fractions(self, call):
        return call.has_no_fractions and self.shapes.have_no_fractions

    def is_within(self, symbols):
        return self.low is not None and all(a <= s <= b for a, s, b in zip(self.low, symbols, self.high))

    def path_holds(self, symbols):
        """Whether Python takes the same way; None when that is not known."""
        numbers = self.expressions.evaluate(symbols)
        if numbers is None:
            return None
        values = {f"s{i}": value for i, value in enumerate(symbols)}
        values.update(zip(self.reads, numbers))
        # What Python computes from these must be what the expressions say: half of an odd size is not.
        return self.asks(values) if self.numbers(values) == numbers else None

    def numbers(self, values):
        """What was read, then what Python computed from sizes."""
        try:
            return [values[name] for name in self.reads] + list(eval(self.computed, {"__builtins__": {}}, values))
        except ArithmeticError:
            return []

    def in_words(self):
        """The path guards, with the expressions of what was read."""
        texts = dict(zip(self.reads, self.expressions.texts))
        return [re.sub(r"r\d+", lambda read: f"({texts[read[0]]})", guard) for guard in self.guards.in_words()]

    def range_in_words(self):
        spans = [f"s{i} from {a} to {b}" for i, (a, b) in enumerate(zip(self.low, self.high))]
        return ", ".join(spans) + (" and others" if self.points else "")

    def asks(self, values):
        try:
            return bool(eval(self.condition, {"__builtins__": {}}, values))
        except ArithmeticError:
            return False

    def verified(self, call, symbols):
        """(the values of symbols and reads, all sizes) when a replay shows that the program holds at these; else None."""
        start = time.perf_counter()
        try:
            program, values, sizes = self.tape.replay(self.spec, symbols, self.captured)
        except Diverged as problem:
            self.problem = str(problem)
            return None
        self.seconds, self.bytes = time.perf_counter() - start, program.bytes
        if not self.asks(values):
            self.problem = "Python takes another way at " + self.guard_that_fails(values)
            return None
        if self.expressions is not None and not self.expressions.narrow(self.numbers(values), symbols):
            self.problem = "a size that Python computes follows another rule at other sizes"
            return None
        if self.shapes is not None and not self.shapes.narrow(sizes, symbols):
            self.problem = "a size follows another rule at other sizes"
            return None
        if not call.agrees(_C.plan_program(program, self.options), symbols):
            self.problem = "PyTorch's operators make another program of other sizes"
            return None
        return values, sizes

    def guard_that_fails(self, values):
        return next(
            (guard for guard in self.guards.in_words() if not eval(guard, {"__builtins__": {}}, values)), "some size"
        )

    def grow(self, call, symbols):
        """Takes verified sizes into the range, and more than they ask for where that holds as well."""
        if self.low is None:
            self.low = self.high = list(symbols)
            return
        if self.is_within(symbols) or not self.has_no_fractions(call):
            return
        low = self.corner(call, symbols, self.low, min, lambda size: max(2, size // 2))
        high = self.corner(call, symbols, self.high, max, self.larger)
        if low is not None and high is not None:
            self.low, self.high = low, high
        elif len(self.points) < MOST_POINTS:
            self.points.add(tuple(symbols))

    def larger(self, size):
        """How far to look beyond a size."""
        is_large = self.seconds > LARGE_SECONDS or self.bytes > LARGE_BYTES
        return size + size // 4 + 1 if is_large else 2 * size

    def corner(self, call, symbols, old, pick, further):
        """A verified corner of a range that has these sizes in it: a step further than they are, or just there."""
        moved = [pick(a, b) != a for a, b in zip(old, symbols)]
        if not any(moved):
            return old
        nearest = [s if m else a for a, s, m in zip(old, symbols, moved)]
        furthest = [further(s) if m else a for a, s, m in zip(old, symbols, moved)]
        problem = self.problem
        for corner in (furthest, nearest) if self.bytes < HUGE_BYTES else (nearest,):
            if corner == list(symbols) or self.verified(call, corner) is not None:
                self.problem = problem
                return corner
        return None
