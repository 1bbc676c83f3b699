"""What a call says on its way: printed text, warnings, log records. A replay says it again after its last step.

While a call is traced, the functions that say something are replaced by ones that also note what was said, as plain
values. What stands in the way of saying it again is a Refusal.
"""

import builtins
import functools
import logging
import sys
import warnings
from threading import get_ident

from braze import _C
from braze.tracing.refusal import Refusal
from braze.tracing.second_eye import SecondEye
from braze.tracing.temporary import Temporary

PRINT, WARN, LOG = builtins.print, warnings.warn, logging.Logger._log


class Told(Temporary):
    """A context manager. `calls`: (function, arguments) that say it again; `refusal`: set when something cannot be."""

    def __init__(self, executed):
        self.executed = executed
        self.thread = get_ident()
        self.calls = []
        self.refusal = None
        self.replacements = (
            (builtins, "print", PRINT, in_place_of(PRINT, self.print)),
            (warnings, "warn", WARN, in_place_of(WARN, self.warn)),
            (logging.Logger, "_log", LOG, in_place_of(LOG, self.log)),
        )

    def apply(self):
        for owner, name, original, replacement in self.replacements:
            if getattr(owner, name) is original:
                setattr(owner, name, replacement)

    def undo(self):
        for owner, name, original, replacement in self.replacements:
            if getattr(owner, name) is replacement:
                setattr(owner, name, original)

    def is_not_of_the_call(self):
        """Another thread, or an operator written in Python: a replay runs it, and it speaks for itself."""
        return get_ident() != self.thread or _C.inside_operator() or self.executed.is_muted

    def say(self, again, *arguments):
        with self.executed.muted():
            try:
                again(*arguments)
            except Warning:  # a filter makes it an error
                self.refuse("a warning that is raised")
                raise
        self.calls.append((again, arguments))

    def refuse(self, what):
        if self.refusal is None:
            self.refusal = Refusal("impure_call", what)

    def print(self, *values, sep=" ", end="\n", file=None, flush=False):
        if self.is_not_of_the_call():
            return PRINT(*values, sep=sep, end=end, file=file, flush=flush)
        if file is not None and file is not sys.stdout and file is not sys.stderr:
            self.refuse("print into a file of its own")
        self.say(print_again, tuple(map(str, values)), sep, end, file, bool(flush))

    def warn(self, message, category=None, stacklevel=1, source=None, **more):
        if self.is_not_of_the_call():
            return WARN(message, category, stacklevel + 2, source, **more)
        self.executed.warns = True
        if isinstance(message, Warning):
            message, category = str(message), type(message)
        frame = self.frame_of(stacklevel, lambda name: False)
        if frame is None or more or source is not None or type(message) is not str:
            self.refuse("warnings.warn")
            return WARN(message, category, stacklevel + 2, source, **more)
        self.say(
            warn_again, message, category or UserWarning, frame.f_code.co_filename, frame.f_lineno, frame.f_globals
        )

    def log(self, logger, level, msg, args, exc_info=None, extra=None, stack_info=False, stacklevel=1):
        if self.is_not_of_the_call():
            return LOG(logger, level, msg, args, exc_info, extra, stack_info, stacklevel + 2)
        frame = self.frame_of(stacklevel, lambda name: name == logging._srcfile)
        plain = _C.is_immutable_value((msg, args))
        if frame is None or exc_info or extra or stack_info or not plain:
            self.refuse(f"the logger {logger.name}")
            with self.executed.muted():
                return LOG(logger, level, msg, args, exc_info, extra, stack_info, stacklevel + 2)
        code = frame.f_code
        self.say(log_again, logger, level, code.co_filename, frame.f_lineno, msg, args, code.co_name)

    def frame_of(self, level, is_passed_over):
        """The frame that a message of this stack level is about; beyond the call itself it is the caller's, and another
        one at each call.
        """
        frame = sys._getframe(1)
        while frame is not None and frame.f_globals.get("__name__") == __name__:
            frame = frame.f_back
        while frame is not None and is_passed_over(frame.f_code.co_filename):
            frame = frame.f_back
        for _ in range(level - 1):
            frame = caller_of(frame) if frame is not None else None
            while frame is not None and frame.f_globals.get("__name__", "").startswith("braze."):
                self.refuse("a message about the caller")
                frame = frame.f_back
        return frame


def caller_of(frame):
    """The frame that called this one. While a call is traced, functions of torch.nn.functional ask its mode, which runs
    them again: eager has neither the mode nor the first of the two frames.
    """
    caller = frame.f_back
    if caller is None or caller.f_code is not SecondEye.__torch_function__.__code__:
        return caller
    while caller is not None and caller.f_code is not frame.f_code:
        caller = caller.f_back
    return caller.f_back if caller is not None else frame.f_back


def in_place_of(function, method):
    @functools.wraps(function)
    def replacement(*args, **kwargs):
        return method(*args, **kwargs)

    return replacement


def print_again(texts, sep, end, file, flush):
    PRINT(*texts, sep=sep, end=end, file=file, flush=flush)


def warn_again(message, category, filename, line, namespace):
    registry = namespace.setdefault("__warningregistry__", {})
    warnings.warn_explicit(message, category, filename, line, namespace.get("__name__") or filename, registry)


def log_again(logger, level, filename, line, msg, args, function):
    logger.handle(logger.makeRecord(logger.name, level, filename, line, msg, args, None, function))


def same_sayings(a, b):
    return len(a) == len(b) and all(f is g and _C.same_value(x, y) for (f, x), (g, y) in zip(a, b))
