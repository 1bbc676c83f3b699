"""braze: a tracing JIT compiler for PyTorch.

>>> import braze, torch
>>> @braze.compile
... def scaled_sum(x, y):
...     return (x * 2 + y).sum()
>>> for _ in range(3):
...     result = scaled_sum(torch.ones(4), torch.ones(4))
>>> print(result)
tensor(12.)
"""

from braze import installation

__version__ = installation.check()

from braze import cache
from braze.compile import compile
from braze.errors import Error, InternalError, NotCompiledError, UserError
from braze.explain import Explanation, explain
from braze.options import options

__all__ = [
    "Error",
    "Explanation",
    "InternalError",
    "NotCompiledError",
    "UserError",
    "cache",
    "compile",
    "explain",
    "options",
]
