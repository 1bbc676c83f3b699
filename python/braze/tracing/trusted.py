"""Which code is known: the tables that say what Python and C functions may do while a call is traced.

Code of PyTorch, NumPy and the standard library is trusted: it keeps no state that a later call could see, but for
the rows here.
Of C functions the rows say what they are; one that has no row is refused when the user's code calls it.
"""

import functools
import importlib.util
import sys
import sysconfig


def words(text):
    return frozenset(text.split())


TRUSTED_PACKAGES = frozenset({"torch", "numpy", "braze", "typing_extensions", "functorch"})


@functools.cache
def _folders():
    specs = [importlib.util.find_spec(name) for name in ("torch", "numpy", "braze")]
    packages = [spec.submodule_search_locations[0] + "/" for spec in specs if spec is not None]
    paths = sysconfig.get_paths()
    return tuple(packages), (paths["stdlib"] + "/", paths["platstdlib"] + "/")


@functools.cache
def origin(filename):
    """Whose file this is: "torch" for PyTorch, NumPy and braze, "stdlib" for Python's own, "user" for all else."""
    packages, stdlib = _folders()
    if filename.startswith(packages):
        return "user" if "/numpy/random/" in filename else "torch"
    if filename.startswith("<frozen "):
        return "stdlib"
    if filename.startswith(stdlib) and "/site-packages/" not in filename and "/dist-packages/" not in filename:
        return "stdlib"
    return "user"


@functools.cache
def is_trusted_module(name):
    """Whether a module of this name is PyTorch's, NumPy's or the standard library's."""
    if not isinstance(name, str):
        return False
    top = name.partition(".")[0]
    if name.startswith("numpy.random"):
        return False
    return (top in TRUSTED_PACKAGES or top in sys.stdlib_module_names) and top != "__main__"


# Python functions of the standard library whose answer changes or whose effect is seen: (file ending, function
# names, or None for all).
REFUSED_CODE = (
    ("/random.py", None),
    ("/importlib/__init__.py", {"import_module", "reload"}),
    ("/secrets.py", None),
    ("/uuid.py", None),
    ("/tempfile.py", None),
    ("/getpass.py", None),
    ("/subprocess.py", None),
    ("/socket.py", None),
    ("/sched.py", None),
    ("/asyncio/", None),
    ("/multiprocessing/", None),
    ("/concurrent/futures/thread.py", None),
    ("/queue.py", None),
    ("/threading.py", {"current_thread", "currentThread", "enumerate", "active_count", "activeCount"}),
    ("/atexit.py", None),
    ("/pdb.py", None),
    ("/logging/__init__.py", {"_log", "handle", "makeRecord", "callHandlers"}),
    ("/warnings.py", {"warn", "warn_explicit", "_showwarnmsg", "showwarning"}),
    ("/torch/random.py", {"seed", "initial_seed", "get_rng_state", "set_rng_state", "manual_seed", "fork_rng"}),
    ("/_ufunc_config.py", {"geterr", "geterrcall", "getbufsize"}),
    ("/torch/cuda/memory.py", None),
    ("/torch/serialization.py", {"load", "save"}),
    ("/torch/utils/data/", None),
)


# Objects in globals of PyTorch's modules whose attributes decide what its functions answer.
FOLLOWED_GLOBALS = words("torch.distributed.distributed_c10d._world")


@functools.cache
def refused_code(filename, name):
    """Whether this Python function may not run in a traced call."""
    if origin(filename) == "user":
        return False
    return any(ending in filename and (names is None or name in names) for ending, names in REFUSED_CODE)


# Modules whose C functions are pure, and those of two that are not.
PURE_MODULES = words(
    """
    math cmath operator _operator itertools functools _functools _bisect _heapq _struct _string _sre _json _statistics
    _collections _collections_abc _abc _typing _weakref unicodedata binascii zlib _datetime datetime _decimal _tokenize
    _ast errno _opcode builtins sys
    """
)
REFUSED_OF_PURE = {
    "builtins": words("print input open exec eval compile __import__ globals breakpoint help id"),
    "sys": words(
        """
        exc_info exception
        _getframe _current_frames setrecursionlimit settrace setprofile gettrace getprofile getrefcount exit
        set_asyncgen_hooks getallocatedblocks getrecursionlimit getswitchinterval setswitchinterval getsizeof
        get_int_max_str_digits set_int_max_str_digits get_asyncgen_hooks getdlopenflags setdlopenflags
        get_coroutine_origin_tracking_depth set_coroutine_origin_tracking_depth addaudithook audit call_tracing
        displayhook excepthook unraisablehook breakpointhook
        """
    ),
}

# Types (by module and name) whose methods only read or change the object itself; what a change means is seen by
# comparing the snapshot.
PLAIN_TYPES = words(
    """
    builtins.str builtins.bytes builtins.bytearray builtins.int builtins.float builtins.complex builtins.bool
    builtins.list builtins.tuple builtins.dict builtins.set builtins.frozenset builtins.range builtins.slice
    builtins.memoryview builtins.type builtins.object builtins.property builtins.super builtins.generator
    builtins.coroutine builtins.mappingproxy builtins.NoneType builtins.code builtins.function builtins.method
    builtins.dict_keys builtins.dict_values builtins.dict_items builtins.BaseException builtins.staticmethod
    builtins.classmethod builtins.cell builtins.traceback builtins.module builtins.odict_iterator
    collections.OrderedDict collections.defaultdict collections.deque functools.partial
    functools._lru_cache_wrapper re.Pattern re.Match _thread.lock _thread.RLock weakref.ReferenceType
    weakref.ProxyType _io.StringIO _io.BytesIO datetime.timedelta datetime.datetime datetime.date datetime.time
    datetime.timezone decimal.Decimal fractions.Fraction types.SimpleNamespace types.GenericAlias
    collections.abc._CallableGenericAlias
    types.MappingProxyType types.UnionType itertools.count itertools.chain itertools.cycle itertools.repeat
    """
)

# Methods of these types whose answer changes from call to call.
REFUSED_METHODS = frozenset(
    {("datetime", "now"), ("datetime", "today"), ("datetime", "utcnow"), ("date", "today"), ("type", "__subclasses__")}
)
# ... and those whose answer hangs on the running thread, which the standard library may ask for.
REFUSED_TO_USERS = frozenset({("RLock", "acquire"), ("RLock", "_is_owned")})

# C modules the standard library itself may not call in a traced call either: their answer changes or their effect is
# seen.
IMPURE_MODULES = words(
    """
    time _random random posix nt _socket select _ssl _posixsubprocess fcntl mmap signal resource _ctypes _io
    _uuid _hashlib_random _asyncio _multiprocessing _queue _winapi msvcrt readline termios _curses syslog grp
    pwd spwd crypt gc faulthandler tracemalloc
    """
)
# ... except these functions of them.
HARMLESS = words("posix.fspath gc.enable gc.disable gc.collect _io.StringIO _io.text_encoding")

# PyTorch's C functions that read or hand over what no guard sees.
REFUSED_TORCH = words(
    """
    manual_seed seed initial_seed get_state set_state get_rng_state set_rng_state from_numpy frombuffer
    from_file _from_dlpack _cuda_memoryStats _cuda_getMemoryInfo _cuda_memorySnapshot set_num_threads
    set_num_interop_threads set_default_dtype _set_default_tensor_type
    """
)

# ... and those that tell, without arguments, of switches that are no part of TorchState: what they answer is guarded.
ANSWERED_TORCH = words(
    """
    is_anomaly_enabled is_anomaly_check_nan_enabled get_num_interop_threads _get_warnAlways _is_multithreading_enabled
    _profiler_enabled _saved_tensors_hooks_is_enabled _is_vmap_fallback_enabled _check_sparse_tensor_invariants
    _get_default_device
    """
)

# Names by which code reads the variables of other frames.
FRAME_NAMES = words("f_back f_locals f_globals gi_frame cr_frame tb_frame currentframe __globals__")

# Names of arithmetic that follows a context of its own.
DECIMAL_NAMES = words("Decimal decimal")

# Functions of C that call what they are given: such calls raise no event.
HIGHER_ORDER = words(
    """
    reduce filter starmap iter defaultdict dropwhile groupby takewhile map accumulate partial
    """
)

# Names by which code reaches attributes it does not spell out.
COMPUTED_ACCESS = frozenset({"getattr", "setattr", "hasattr", "delattr"})
WHOLE_OBJECT_ACCESS = words(
    """
    __getstate__ dir vars methodcaller __reduce_ex__ __reduce__ __dict__ __getattribute__ attrgetter
    """
)
# Functions of C that read attributes: where code has one as a value, under whatever name.
ACCESS_BY_NAME = COMPUTED_ACCESS | words(
    "vars dir __getattribute__ __setattr__ __delattr__ __getstate__ __dir__ __reduce__ __reduce_ex__"
)
# Names by which code makes text of an object, or compares it with others.
TEXT_NAMES = words("repr str format print index count remove")
# Names by which code asks whether a lock is held.
LOCK_NAMES = words("locked acquire")
# Names by which code reads what a function or class is called, and what a function is made of.
LABELS = words("__name__ __qualname__ __doc__ __annotations__")
FUNCTION_PARTS = words("__code__ __defaults__ __kwdefaults__ __closure__ cell_contents")
# Functions of the standard library that read all attributes of an object they are given.
WHOLE_OBJECT_CODE = (
    ("/argparse.py", {"__eq__", "__contains__"}),
    ("/inspect.py", {"getmembers", "getattr_static"}),
    ("/typing.py", {"__instancecheck__"}),
    ("/string.py", {"get_field"}),
    ("/copy.py", {"copy", "deepcopy"}),
    ("/dataclasses.py", {"asdict", "astuple", "replace", "_asdict_inner"}),
)


@functools.cache
def reads_whole_objects(filename, name):
    return any(filename.endswith(ending) and name in names for ending, names in WHOLE_OBJECT_CODE)


# Functions of PyTorch that return early as a rule: (file, name, the nested function that runs when they do not).
EARLY_RETURNS = (("/torch/nn/modules/module.py", "_call_impl", "inner"),)


@functools.cache
def runs_unless_early(filename, name):
    """The name of the function nested in this code that has run unless the code returned before making it; or None."""
    for ending, outer, nested in EARLY_RETURNS:
        if filename.endswith(ending) and name == outer:
            return nested
    return None


# C types known to hold no state, or state that another eye sees (PyTorch's own, locks): compared by identity alone.
STATELESS_TYPES = words(
    """
    builtins.builtin_function_or_method builtins.method_descriptor builtins.wrapper_descriptor
    builtins.method-wrapper builtins.getset_descriptor builtins.member_descriptor
    builtins.classmethod_descriptor builtins.code builtins.ellipsis builtins.NotImplementedType re.Pattern
    _thread.lock _thread.RLock types.GenericAlias collections.abc._CallableGenericAlias types.UnionType
    typing.TypeVar typing.ParamSpec
    typing.TypeVarTuple typing.ParamSpecArgs typing.ParamSpecKwargs typing.TypeAliasType typing.Generic
    _abc._abc_data _collections._tuplegetter datetime.timedelta datetime.datetime datetime.date datetime.time
    datetime.timezone decimal.Decimal operator.itemgetter numpy.ufunc
    numpy._ArrayFunctionDispatcher numpy.dtype
    """
)
REFUSED_TYPE_MODULES = ("numpy.random", "_random", "random")
