"""Sizes as Python meets them in a learning run: integers that remember how they were computed and what was asked of them.

An expression is Python source over names: s0, s1, ... are the sizes an entry leaves open, r0, r1, ... other integers
that PyTorch gave. A question with a yes or no for an answer becomes a path guard; whatever needs the plain number (an
index of a list, a hash, text, a float) guards that the expression has this value.
"""

import math
import operator

import torch

LONGEST = 400  # characters of an expression; a longer one is replaced by its value


class PathGuards:
    """What a run of Python code asked about sizes, and the answers: the source of a condition -> whether it held."""

    def __init__(self):
        self.outcomes = {}
        self.learning = True

    def holds(self, condition, outcome):
        if self.learning:
            self.outcomes[condition] = outcome
        return outcome

    def stop(self):
        """Sizes that outlive the run are plain integers to whoever kept them."""
        self.learning = False

    def source(self):
        """One expression that is true when every question has the answer it had."""
        return " and ".join(self.in_words()) or "True"

    def in_words(self):
        return [condition if outcome else f"not {condition}" for condition, outcome in self.outcomes.items()]


class SymbolicSize(torch.SymInt):
    """An integer in all that Python code can ask of it. A torch.SymInt as well, for PyTorch's argument parser lets only
    those pass on to the torch function mode unread.
    """

    __class__ = property(lambda self: int)

    def __init__(self, guards, source, hint):
        self._guards = guards
        self._source = source
        self._hint = hint

    def _plain(self):
        """The number itself, which it is guarded to be."""
        self._guards.holds(f"({self._source} == {self._hint})", True)
        return self._hint

    @property
    def node(self):
        raise AttributeError("a size of a learning run reached PyTorch unseen")


def is_symbolic(value):
    return type(value) is SymbolicSize


def hint_of(value):
    return value._hint if type(value) is SymbolicSize else value


def _source_of(value):
    return value._source if type(value) is SymbolicSize else repr(value)


def _operands(self, other, reflected):
    return (other, self) if reflected else (self, other)


def _computed(symbol, compute, reflected=False):
    """An operator whose result is an integer again."""

    def method(self, other):
        if type(other) is not SymbolicSize and type(other) is not int:
            return _by_number(compute, self, other, reflected)
        a, b = _operands(self, other, reflected)
        hint = compute(hint_of(a), hint_of(b))
        source = f"({_source_of(a)} {symbol} {_source_of(b)})"
        if len(source) > LONGEST:
            return compute(*_operands(self._plain(), plain(other), reflected))
        return SymbolicSize(self._guards, source, hint)

    return method


def _by_number(compute, self, other, reflected):
    if not isinstance(other, (int, float, complex)):
        return NotImplemented
    return compute(*_operands(self._plain(), other, reflected))


def _compared(symbol, compare):
    def method(self, other):
        if type(other) not in (SymbolicSize, int, float, bool):
            return NotImplemented
        if type(other) is float and not math.isfinite(other):
            return compare(self._hint, other)
        outcome = compare(self._hint, hint_of(other))
        return self._guards.holds(f"({self._source} {symbol} {_source_of(other)})", outcome)

    return method


def _plainly(name):
    """Any other method: that of the plain number."""

    def method(self, *args, **kwargs):
        return getattr(self._plain(), name)(*map(plain, args), **kwargs)

    return method


def _by_plain_numbers(compute, reflected=False):
    """An operator whose result is no integer."""

    def method(self, other):
        return _by_number(compute, self, plain(other), reflected)

    return method


def plain(value):
    return value._plain() if type(value) is SymbolicSize else value


def _negated(self):
    return SymbolicSize(self._guards, f"(-{self._source})", -self._hint)


def _absolute(self):
    return self if self >= 0 else -self


def _power(self, other, modulo=None):
    if modulo is None and type(other) is int and 0 < other <= 4:
        result = self
        for _ in range(other - 1):
            result = result * self
        return result
    return pow(self._plain(), plain(other), plain(modulo))


def _quotient_and_rest(self, other):
    return self // other, self % other


ARITHMETIC = {"add": "+", "sub": "-", "mul": "*", "floordiv": "//", "mod": "%"}
COMPARISONS = {"lt": "<", "le": "<=", "gt": ">", "ge": ">=", "eq": "==", "ne": "!="}
OWN = {
    "__neg__": _negated,
    "__pos__": lambda self: self,
    "__abs__": _absolute,
    "__pow__": _power,
    "__divmod__": _quotient_and_rest,
    "__bool__": lambda self: self != 0,
    "__hash__": lambda self: hash(self._plain()),
    "__reduce_ex__": lambda self, protocol: (int, (self._plain(),)),
    "__copy__": lambda self: self,
    "__deepcopy__": lambda self, memo: self,
    "__sizeof__": lambda self: object.__sizeof__(self),
}


def _fill_in():
    """All methods that int or torch.SymInt has, so that nothing of torch.SymInt is inherited."""
    for name, symbol in ARITHMETIC.items():
        compute = getattr(operator, name)
        setattr(SymbolicSize, f"__{name}__", _computed(symbol, compute))
        setattr(SymbolicSize, f"__r{name}__", _computed(symbol, compute, reflected=True))
    SymbolicSize.__truediv__ = _by_plain_numbers(operator.truediv)
    SymbolicSize.__rtruediv__ = _by_plain_numbers(operator.truediv, reflected=True)
    SymbolicSize.__rpow__ = _by_plain_numbers(operator.pow, reflected=True)
    SymbolicSize.__rdivmod__ = _by_plain_numbers(divmod, reflected=True)
    for name, symbol in COMPARISONS.items():
        setattr(SymbolicSize, f"__{name}__", _compared(symbol, getattr(operator, name)))
    for name, method in OWN.items():
        setattr(SymbolicSize, name, method)
    kept = set(dir(object)) - {"__str__", "__repr__", "__format__"} | set(vars(SymbolicSize))
    kept |= {"__dict__", "__weakref__", "__module__", "__annotations__", "__static_attributes__", "__firstlineno__"}
    for name in (set(dir(int)) | set(dir(torch.SymInt))) - kept:
        if hasattr(int, name):
            setattr(SymbolicSize, name, _plainly(name))
        else:
            setattr(SymbolicSize, name, property(_absent(name)))


def _absent(name):
    def missing(self):
        raise AttributeError(f"'int' object has no attribute '{name}'")

    return missing


_fill_in()
