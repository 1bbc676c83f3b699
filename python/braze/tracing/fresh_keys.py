"""functools caches that are asked about tensors which the call itself has made. Keys are compared by identity, so what is
kept there is never found again, and a replay need not keep it.
"""

import operator

import torch

from braze.tracing.visible import cache_of


class WatchedCache:
    """A cache as it was when the call began."""

    def __init__(self, wrapper, path):
        self.wrapper = wrapper
        self.path = path
        self.keys = list(cache_of(wrapper) or ())
        self.hits = wrapper.cache_info().hits

    def is_as_it_was(self):
        keys = list(cache_of(self.wrapper) or ())
        return not self.has_answered() and len(keys) == len(self.keys) and all(map(operator.is_, keys, self.keys))

    def has_answered(self):
        return self.wrapper.cache_info().hits != self.hits

    def forgets(self, known_tensors):
        """Whether the call found nothing there, and none will find what it put there: each key holds a tensor that is none
        of those which anybody has.
        """
        known = set(map(id, known_tensors))
        old = set(map(id, self.keys))
        new = [key for key in list(cache_of(self.wrapper) or ()) if id(key) not in old]
        return not self.has_answered() and all(has_other_tensor(key, known) for key in new)


def has_other_tensor(key, known):
    return isinstance(key, tuple) and any(isinstance(item, torch.Tensor) and id(item) not in known for item in key)
