"""The errors braze raises. A call that cannot be compiled is no error: it runs eagerly, and braze.explain says why."""


class Error(Exception):
    """The base of braze's errors.

    >>> import braze
    >>> try:
    ...     braze.compile(3)
    ... except braze.Error as error:
    ...     print(type(error).__name__)
    UserError
    """


class UserError(Error, TypeError):
    """A mistake in how braze was called: the message says what came and what is accepted."""


class NotCompiledError(Error, RuntimeError):
    """Under strict=True: the call cannot be compiled, and would have been run eagerly. The message says why."""


class InternalError(Error, RuntimeError):
    """A bug in braze. The message holds what is needed to report it."""
