"""For which sizes a program that was found from a few calls holds: the path guards that Python's code gave, and what
the tape of PyTorch functions does at those sizes.

Sizes are verified by a replay of the tape: its recording, lowered and scheduled as any call's, must
be the program at these sizes, integer for integer. Between verified sizes only the path guards are looked at, and what
is verified grows by doubling, so that n sizes cost log n replays. Where a size is a fraction of another (a strided
convolution, a chunk) each is replayed, for the rounding between verified ones is not known.
"""

import re
import time

from braze import _C
from braze.tracing.tape import Busy, Diverged
from braze.tracing.verified_sizes import VerifiedSizes

MOST_POINTS = 4096
# A replay at twice the sizes may take four times the memory and time; beyond these it goes less far, or just there.
LARGE_SECONDS = 0.25
LARGE_BYTES = 1 << 28
HUGE_BYTES = 1 << 31


class ShapeFunction:
    """Answers whether `call`, a braze._C.SymbolicCall, holds at given sizes, and what integers it returns there. It does
    not hold the call itself, which holds it.

    `returned`: what Python computed from sizes and returned, or put into a container.
    """

    def __init__(self, spec, lesson, captured, returned, options):
        self.spec = spec
        self.tape = lesson.tape
        self.guards = lesson.guards
        self.captured = captured  # numbers of the captured tensors on the tape
        self.options = options
        self.condition = compile(self.guards.source(), "<path guards>", "eval")
        sources = self.tape.size_sources() + returned
        self.returned = len(returned)
        self.computed = compile(f"({''.join(source + ', ' for source in sources)})", "<sizes>", "eval")
        self.reads = sorted(set(re.findall(r"r\d+", self.guards.source() + " ".join(sources))))
        self.expressions = None  # of the reads, then of what Python computed, in symbols
        self.shapes = None  # the sizes of all tensors of the tape, in symbols
        self.call = None  # while it is asked
        self.between = VerifiedSizes(self.holds_at, self.larger)
        self.points = {}  # verified outside of it -> what is returned there
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
        """The returned integers, False, or None when it cannot be said now."""
        symbols = tuple(symbols)
        if symbols in self.points:
            return self.points[symbols]
        if self.has_no_fractions(call) and symbols in self.between and (held := self.path_holds(symbols)) is not None:
            return held
        try:
            verified = self.verified(call, symbols)
            if verified is None:
                return False
            self.grow(call, symbols)
        except Busy:
            return None
        except Exception as error:  # a bug of ours must not cost the user the call
            self.problem = f"{type(error).__name__}: {error}"
            _C.log_line("refusals", f"internal: {self.problem}")
            return False
        returned = self.returned_of(self.numbers(verified[0]))
        if len(self.points) < MOST_POINTS and not (self.has_no_fractions(call) and symbols in self.between):
            self.points[symbols] = returned
        return returned

    def has_no_fractions(self, call):
        return call.has_no_fractions and self.shapes.have_no_fractions

    def path_holds(self, symbols):
        """What is returned where Python takes the same way, else False; None when that is not known."""
        numbers = self.expressions.evaluate(symbols)
        if numbers is None:
            return None
        values = {f"s{i}": value for i, value in enumerate(symbols)}
        values.update(zip(self.reads, numbers))
        # What Python computes from these must be what the expressions say: half of an odd size is not.
        if self.numbers(values) != numbers:
            return None
        return self.asks(values) and self.returned_of(numbers)

    def numbers(self, values):
        """What was read, then what Python computed from sizes."""
        try:
            return [values[name] for name in self.reads] + list(eval(self.computed, {"__builtins__": {}}, values))
        except ArithmeticError:
            return []

    def returned_of(self, numbers):
        return numbers[len(numbers) - self.returned :]

    def in_words(self):
        """The path guards, with the expressions of what was read."""
        texts = dict(zip(self.reads, self.expressions.texts))
        return [re.sub(r"r\d+", lambda read: f"({texts[read[0]]})", guard) for guard in self.guards.in_words()]

    def range_in_words(self):
        return self.between.in_words() + (" and others" if self.points else "")

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
        expressions = self.expressions and self.expressions.narrowed(self.numbers(values), symbols)
        if self.expressions and not expressions:
            self.problem = "a size that Python computes follows another rule at other sizes"
            return None
        shapes = self.shapes and self.shapes.narrowed(sizes, symbols)
        if self.shapes and not shapes:
            self.problem = "a size follows another rule at other sizes"
            return None
        if not call.agrees(_C.plan_program(program, self.options), symbols):
            self.problem = "PyTorch's operators make another program of other sizes"
            return None
        self.expressions, self.shapes = expressions, shapes
        return values, sizes

    def guard_that_fails(self, values):
        return next(
            (guard for guard in self.guards.in_words() if not eval(guard, {"__builtins__": {}}, values)), "some size"
        )

    def grow(self, call, symbols):
        """Takes verified sizes in, and more than they ask for where that holds as well."""
        if self.between.low is not None and not self.has_no_fractions(call):
            return
        problem, self.call = self.problem, call
        try:
            self.between.take(symbols)
        finally:
            self.problem, self.call = problem, None

    def holds_at(self, symbols):
        return self.bytes < HUGE_BYTES and self.verified(self.call, symbols) is not None

    def larger(self, size):
        """How far to look beyond a size."""
        if self.bytes >= HUGE_BYTES:
            return size
        is_large = self.seconds > LARGE_SECONDS or self.bytes > LARGE_BYTES
        return size + size // 4 + 1 if is_large else 2 * size
