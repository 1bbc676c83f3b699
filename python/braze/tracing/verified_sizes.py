"""The sizes a program is known to hold for: those it was verified at, and what lies between them.

What PyTorch and Python decide by sizes are questions like "is this one larger than that", so a program holds at all
sizes between some at which it holds: in a box with verified corners, or on the line between two verified points. The
line is for sizes that belong together (a cache and its mask): no other corner of their box is a call that works.
"""

import itertools
import math

MOST_CORNERS = 8
MOST_LINES = 8


class VerifiedSizes:
    """`verify(symbols)` answers whether the program holds at these sizes; `further(size)` how far to look beyond one."""

    def __init__(self, verify, larger):
        self.verify = verify
        self.larger = larger
        self.low = self.high = None  # of the box
        self.lines = []
        self.outgrown = 0  # points beside the box

    def __contains__(self, symbols):
        if self.low is None:
            return False
        return self.is_in_box(symbols) or any(symbols in line for line in self.lines)

    def is_in_box(self, symbols):
        return all(a <= s <= b for a, s, b in zip(self.low, symbols, self.high))

    def take(self, symbols):
        """Takes verified sizes in, and more than they ask for where that holds as well."""
        symbols = tuple(symbols)
        if self.low is None:
            self.low = self.high = symbols
        elif symbols not in self and not self.grow_box(symbols):
            self.grow_line(symbols)

    def grow_box(self, symbols):
        self.outgrown += 1
        if len(symbols) > 1 and self.lines and self.outgrown & (self.outgrown - 1):
            return False  # it did not grow lately: ask more and more seldom
        lower = [min(a, s) for a, s in zip(self.low, symbols)]
        upper = [max(b, s) for b, s in zip(self.high, symbols)]
        further_low = [max(2, a // 2) if a < b else a for a, b in zip(lower, self.low)]
        further_high = [self.larger(b) if b > a else b for a, b in zip(self.high, upper)]
        boxes = itertools.product((further_low, lower), (further_high, upper))
        tried = {symbols: True}
        for low, high in boxes:
            if self.is_box(low, high, tried):
                self.low, self.high = tuple(low), tuple(high)
                self.outgrown = 0
                self.lines = [line for line in self.lines if not self.covers(line)]
                return True
        return False

    def is_box(self, low, high, tried):
        """Whether all corners are verified; `tried`: those that were asked, with the answers."""
        corners = list(itertools.product(*({a, b} for a, b in zip(low, high))))
        if len(corners) > MOST_CORNERS:
            return False
        for corner in corners:
            if corner not in tried:
                tried[corner] = self.is_known_corner(corner) or self.verify(corner)
            if not tried[corner]:
                return False
        return True

    def is_known_corner(self, corner):
        return all(s in ends for s, ends in zip(corner, zip(self.low, self.high)))

    def covers(self, line):
        return self.is_in_box(line.start) and self.is_in_box(line.end)

    def grow_line(self, symbols):
        for line in self.lines:
            if line.grow(symbols, self.verify):
                return
        start = self.lines[-1].end if self.lines else self.low
        self.lines = self.lines[1 - MOST_LINES :] + [Line(start, symbols)]

    def in_words(self):
        spans = ", ".join(f"s{i} from {a} to {b}" for i, (a, b) in enumerate(zip(self.low, self.high)))
        pairs = [f"({', '.join(map(str, line.start))}) to ({', '.join(map(str, line.end))})" for line in self.lines]
        return "; ".join([spans, *pairs])


class Line:
    """All between two verified points."""

    def __init__(self, start, end):
        self.start, self.end = start, end
        steps = [b - a for a, b in zip(start, end)]
        self.length = math.gcd(*steps)
        self.step = [step // self.length for step in steps]
        self.boldness = 1.0

    def position(self, symbols):
        """How many steps from the start; None when the point is on no step."""
        axis = next(i for i, step in enumerate(self.step) if step)
        steps, rest = divmod(symbols[axis] - self.start[axis], self.step[axis])
        return steps if not rest and self.at(steps) == tuple(symbols) else None

    def at(self, position):
        return tuple(a + position * step for a, step in zip(self.start, self.step))

    def __contains__(self, symbols):
        position = self.position(symbols)
        return position is not None and 0 <= position <= self.length

    def grow(self, symbols, verify):
        """Takes a verified point beyond one end, and perhaps more; False when it is not on the line."""
        position = self.position(symbols)
        if position is None:
            return False
        if position < 0:
            self.start, self.end, self.step = self.end, self.start, [-step for step in self.step]
            position = self.length - position
        for _ in range(2):
            further = position + int(position * self.boldness)
            point = self.at(further)
            if further > position and min(point) >= 2 and verify(point):
                position = further
                self.boldness = min(1.0, 2 * self.boldness)
                break
            self.boldness /= 2
        self.end, self.length = self.at(position), position
        return True
