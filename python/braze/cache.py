"""The caches of compiled code: in memory for this process, on disk for the next.

>>> import braze
>>> sorted(braze.cache.info())[:2]
['bytes', 'entries']
"""

from braze import _C


def info():
    """Counts as a dict: files and bytes on disk, this process's hits and misses, and why nothing is kept, if so."""
    return _C.cache_info()


def clear():
    """Removes what is kept on disk, and forgets kernels in memory that no entry uses."""
    _C.cache_clear()


def path():
    """The folder on disk, or an empty text when none is used."""
    return info()["path"]
