"""What tracing changes for a while and has to put back, whatever happens in between."""


class Temporary:
    """A context manager: `apply` changes something, `undo` puts it back. `restore` does so at most once."""

    is_applied = False

    def apply(self):
        raise NotImplementedError

    def undo(self):
        raise NotImplementedError

    def restore(self):
        if self.is_applied:
            self.undo()
            self.is_applied = False

    def __enter__(self):
        self.is_applied = True
        self.apply()
        return self

    def __exit__(self, *exception):
        self.restore()
        return False
