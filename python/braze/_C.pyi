"""The extension module: what the Python files of braze call."""

from collections.abc import Callable as AnyCallable
from typing import Any

class Options:
    """A set of options; starts as a copy of the process's own. One attribute a row of options.def."""

    numerics: str
    freeze: bool
    dynamic: bool | None
    background: bool
    trial: bool
    strict: bool
    isa: str
    products: str
    disabled_passes: str
    cache: bool
    cache_dir: str
    cache_size: int
    log: str
    dump: str
    def __init__(self) -> None: ...
    def code_key(self) -> str: ...

fallback_reasons: list[tuple[str, str, str]]

def options_table() -> list[dict[str, Any]]: ...
def set_process_option(name: str, value: bool | int | str | None) -> None: ...
def log_line(channel: str, line: str) -> None: ...

class Callable:
    """A compiled callable: tests its entries' guards, runs the one that fits, else asks its handler."""

    __wrapped__: AnyCallable[..., Any]
    handler: Any
    def __init__(self, function: AnyCallable[..., Any], handler: Any) -> None: ...
    def __call__(self, *args: Any, **kwargs: Any) -> Any: ...
    def __get__(self, instance: Any, owner: type | None = None) -> Any: ...

def guard_microseconds(entry: Any, args: tuple[Any, ...], kwargs: dict[str, Any], repeats: int = 100) -> float: ...
def cache_info() -> dict[str, Any]: ...
def cache_clear() -> None: ...
def cache_find(key: str) -> str | None: ...
def cache_keep(key: str, text: str) -> None: ...
