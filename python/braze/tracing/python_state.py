"""What a recorded call depends on besides its arguments, as sessions ask about it."""

import abc

from braze import _C


class PythonState(abc.ABC):
    """Guards on state with what they guard. It is taken before or after a call; `refusal` says why it cannot be vouched
    for, if so.
    """

    def __init__(self):
        self.guards = _C.StateGuards()
        self.tensors = []  # (path, tensor) of those found
        self.generators = []  # random number generators found
        self.caches = []  # the WatchedCaches
        self.seen = {}  # by id, what existed before the call and is guarded
        self.met_names = set()  # names of attributes that values spell out
        self.refusal = None
        self.is_closed = False  # all that can be reached is guarded, and lives as long as the guards

    @property
    def objects(self):
        """What existed before the call and is guarded, for results that are no new objects."""
        return list(self.seen.values())

    def changed(self):
        """The paths of what is no longer as it was when the state was taken."""
        return self.guards.changed()

    @abc.abstractmethod
    def replaced(self):
        """(owner, path, name, old, new) of attributes and globals that hold another object now, and, with None for a
        name, of lists and dicts that hold other items.
        """

    @abc.abstractmethod
    def changed_caches(self):
        """Of those that are not guarded, for they keep nothing that is found again."""

    @abc.abstractmethod
    def path_of(self, tensor):
        """Where a tensor that the call read was found."""
