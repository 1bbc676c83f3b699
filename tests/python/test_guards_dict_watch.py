"""Guards on dicts: each way to change one is noticed, whoever changes it and whatever lives or dies around it.

On Python 3.12 the interpreter tells of changes; on 3.11 version tags are compared. The tests hold for both.
"""

import collections
import gc
import os
import subprocess
import sys
import textwrap
import threading

import pytest
import torch

from braze import _C


def guards_of(dict_, how, names=("a",)):
    guards = _C.StateGuards()
    guards.set_names(frozenset(names))
    if how == "listed":
        guards.add_listed(dict_, tuple(names), "d")
    elif how == "named":
        guards.add_named(dict_, "d")
    else:
        guards.add_items(dict_, "d")
    assert guards.check()
    return guards


def store_global(dict_):
    exec("a = 5", dict_)
    dict_.pop("__builtins__", None)


def delete_global(dict_):
    exec("del a", dict_)
    dict_.pop("__builtins__", None)


CHANGES = {
    "item set": lambda d: d.__setitem__("a", 5),
    "item deleted": lambda d: d.__delitem__("a"),
    "popped": lambda d: d.pop("a"),
    "all popped": lambda d: [d.popitem() for _ in range(len(d))],
    "cleared": lambda d: d.clear(),
    "updated": lambda d: d.update(a=5),
    "updated by pairs": lambda d: d.update([("a", 5)]),
    "merged in place": lambda d: d.__ior__({"a": 5}),
    "made anew": lambda d: d.__init__(a=5),
    "cleared and copied into": lambda d: (d.clear(), d.update({"a": 5, "b": 6})),
    "global stored": store_global,
    "global deleted": delete_global,
}
APPEARANCES = {
    "item set": lambda d: d.__setitem__("a", 5),
    "default set": lambda d: d.setdefault("a", 5),
    "updated": lambda d: d.update(a=5),
    "merged in place": lambda d: d.__ior__({"a": 5}),
    "global stored": store_global,
}


@pytest.mark.parametrize("how", ["listed", "named", "all"])
@pytest.mark.parametrize("kind", [dict, collections.OrderedDict, collections.defaultdict])
@pytest.mark.parametrize("change", CHANGES)
def test_change(kind, how, change):
    dict_ = kind()
    dict_.update(a=1, b=2)
    if change.startswith("global") and kind is not dict:
        pytest.skip("globals are dicts")
    guards = guards_of(dict_, how)
    CHANGES[change](dict_)
    assert not guards.check()
    assert not guards.check(), "asking again does not make it hold"
    assert len(guards.changed()) >= 1
    dict_.clear()
    dict_.update(a=1, b=2)
    assert guards.check(), "it is what it was"
    CHANGES[change](dict_)
    assert not guards.check(), "noticed after it held again"


@pytest.mark.parametrize("how", ["listed", "named", "all"])
@pytest.mark.parametrize("kind", [dict, collections.OrderedDict])
@pytest.mark.parametrize("start", [{}, {"b": 2}], ids=["empty", "other key"])
@pytest.mark.parametrize("change", APPEARANCES)
def test_appearance(kind, how, start, change):
    if change.startswith("global") and kind is not dict:
        pytest.skip("globals are dicts")
    dict_ = kind(start)
    guards = guards_of(dict_, how)
    APPEARANCES[change](dict_)
    assert not guards.check()
    del dict_["a"]
    assert guards.check()


class Attributes:
    def __init__(self):
        self.a, self.b = 1, 2


@pytest.mark.parametrize(
    "change",
    [
        lambda thing: setattr(thing, "a", 5),
        lambda thing: delattr(thing, "a"),
        lambda thing: object.__setattr__(thing, "a", 5),
        lambda thing: vars(thing).update(a=5),
        lambda thing: thing.__init__() or setattr(thing, "a", 3),
        lambda thing: setattr(thing, "__dict__", {"a": 5, "b": 2}),
    ],
)
@pytest.mark.parametrize("warm", [0, 100])
def test_attribute(change, warm):
    thing = Attributes()
    for _ in range(warm):
        thing.a = 1
    guards = _C.StateGuards()
    guards.set_names(frozenset({"a"}))
    guards.add_named(guards.add_instance_dict(thing, "thing"), "thing")
    assert guards.check()
    change(thing)
    assert not guards.check()


@pytest.mark.parametrize("how", ["listed", "named"])
def test_other_names_are_not_looked_at(how):
    dict_ = {"a": 1}
    guards = guards_of(dict_, how)
    for count in range(5):
        dict_["step"] = count
        dict_["step", count] = count
        assert guards.check()
    del dict_["step"]
    assert guards.check()
    if guards.watched_dict_count:
        dict_["step"] = 1
        assert guards.noted_dict_count == 0, "a write to a name the code does not read"
        dict_["a"] = 2
        assert guards.noted_dict_count == 1


def test_keys_that_are_equal_but_not_the_same_string():
    dict_ = {"first": 1}
    guards = guards_of(dict_, "listed", ("first",))
    dict_["".join(["fi", "rst"])] = 2
    assert not guards.check()


def test_key_of_another_type_that_equals():
    class Name(str):
        def __eq__(self, other):
            return str.__eq__(self, other)

        __hash__ = str.__hash__

    dict_ = {"a": 1}
    guards = guards_of(dict_, "listed")
    dict_[Name("a")] = 2
    assert not guards.check()


def test_special_names_of_classes():
    class Thing:
        pass

    guards = _C.StateGuards()
    guards.set_names(frozenset({"a"}))
    guards.add_class(Thing, "Thing", False)
    Thing.other = 1
    assert guards.check()
    Thing.__call__ = lambda self: 1
    assert not guards.check()
    del Thing.__call__
    assert guards.check()
    Thing.a = 1
    assert not guards.check()


def test_two_guards_of_one_dict():
    dict_ = {"a": 1, "b": 2}
    first, second = guards_of(dict_, "listed", ("a",)), guards_of(dict_, "listed", ("b",))
    dict_["a"] = 5
    assert (first.check(), second.check()) == (False, True)
    del first
    dict_["b"] = 5
    assert not second.check()
    dict_["b"] = 2
    assert second.check()


def test_dict_outlives_its_guards():
    dict_ = {"a": 1}
    for count in range(100):
        guards = guards_of(dict_, "all")
        del guards
        gc.collect(0)
        dict_["a"] = count
    dict_.clear()
    assert guards_of(dict_, "all").check()


def test_thousands_of_dicts():
    dicts = [{"a": index, "b": index} for index in range(5000)]
    guards = _C.StateGuards()
    guards.set_names(frozenset({"a"}))
    for dict_ in dicts:
        guards.add_named(dict_, "d")
    assert guards.check()
    for index in (0, 1, 777, 4999):
        dicts[index]["a"] = -1
        assert not guards.check()
        dicts[index]["b"] = -1
        dicts[index]["a"] = index
        assert guards.check()
    for dict_ in dicts:
        dict_["a"] += 1
    assert len(guards.changed()) == 5000
    for dict_ in dicts:
        dict_["a"] -= 1
    assert guards.changed() == []
    assert guards.check()


class Items(dict):
    pass


@pytest.mark.parametrize("noted", [False, True])
def test_dict_that_dies_while_it_is_guarded(noted):
    """An argument object that is a dict is held weakly."""
    for _ in range(50):
        items = Items(a=1)
        guards = _C.StateGuards()
        guards.set_names(frozenset({"a"}))
        guards.add_weak_root(items)
        guards.add_items(items, "items")
        assert guards.check()
        if noted:
            items["a"] = 2
        del items
        others = [{"a": 1} for _ in range(20)]  # may be where it was
        assert not guards.check()
        assert guards.changed() == ["an argument object has died"]
        for other in others:
            other["a"] = 2
        del guards


def test_guards_in_a_cycle_with_their_dict():
    for _ in range(20):
        dict_ = {"a": 1}
        dict_["guards"] = guards_of(dict_, "listed")
        del dict_
    gc.collect()


def test_change_while_an_object_dies():
    dict_ = {"a": 1}
    guards = guards_of(dict_, "listed")
    seen = []

    class Dying:
        def __del__(self):
            dict_["a"] = 2
            seen.append(guards.check())
            dict_["a"] = 1
            seen.append(guards.check())

    dict_["x"] = Dying()
    dict_["x"] = None  # freed inside a change of the same dict
    dict_["x"] = Dying()
    del dict_["x"]
    dict_["x"] = Dying()
    dict_.update(x=1)
    assert seen == [False, True] * 3
    assert guards.check()


def test_value_that_dies_by_the_change_sees_the_change():
    dict_, seen = {}, []

    class Dying:
        def __del__(self):
            seen.append(guards.check())

    dict_["a"] = Dying()
    guards = _C.StateGuards()
    guards.set_names(frozenset({"a"}))
    guards.add_weak_root(dict_["a"])  # so that the guards do not keep it
    guards.add_listed(dict_, ("a",), "d")
    assert guards.check()
    dict_["a"] = None
    assert seen == [False]


def test_change_from_another_thread():
    dict_ = {"a": 1}
    guards = guards_of(dict_, "listed")

    def run(change):
        thread = threading.Thread(target=change)
        thread.start()
        thread.join()

    run(lambda: dict_.update(a=2))
    assert not guards.check()
    run(lambda: dict_.update(a=1))
    assert guards.check()


def test_checked_and_changed_by_many_threads():
    dicts = [{"a": 0} for _ in range(50)]
    guards = _C.StateGuards()
    guards.set_names(frozenset({"a"}))
    for dict_ in dicts:
        guards.add_named(dict_, "d")
    stop = threading.Event()

    def change():
        while not stop.is_set():
            for dict_ in dicts:
                dict_["a"] = 1
                dict_["b"] = 1
                dict_["a"] = 0

    threads = [threading.Thread(target=change) for _ in range(4)]
    for thread in threads:
        thread.start()
    for _ in range(2000):
        guards.check()
    stop.set()
    for thread in threads:
        thread.join()
    assert guards.check()
    dicts[7]["a"] = 1
    assert not guards.check()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_fork():
    dict_ = {"a": 1}
    guards = guards_of(dict_, "listed")
    child = os.fork()
    if child == 0:
        held = guards.check()
        dict_["a"] = 2
        noticed = not guards.check()
        fresh = {"a": 1}
        more = guards_of(fresh, "listed")
        fresh["a"] = 2
        os._exit(0 if held and noticed and not more.check() else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert guards.check(), "what the child did is its own"
    dict_["a"] = 2
    assert not guards.check()


def test_interpreter_exit():
    """Guarded dicts change and are freed to the very end."""
    program = """
        import atexit, sys, threading
        import torch
        from torch import nn
        import braze
        from braze import _C

        braze.options.trial = False
        SCALE = 2.0
        TABLE = {"a": 1}

        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                self.inner = nn.Linear(4, 4)

            def forward(self, x):
                return self.inner(x) * SCALE * TABLE["a"]

        class Late:
            def __del__(self):
                TABLE["a"] = 5
                TABLE.clear()

        net = braze.compile(Net().eval())
        with torch.no_grad():
            for _ in range(5):
                net(torch.ones(1, 4))
        assert [entry.state for entry in net._compiled_call_impl.entries] == ["compiled"]
        late = Late()
        kept = _C.StateGuards()
        kept.set_names(frozenset({"a"}))
        kept.add_items(TABLE, "TABLE")
        sys.kept = kept
        atexit.register(lambda: TABLE.update(a=3))
        print("done")
    """
    environment = dict(os.environ, PYTHONPATH=os.pathsep.join(sys.path))
    ended = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)], capture_output=True, text=True, env=environment, timeout=300
    )
    assert (ended.returncode, ended.stdout.strip()) == (0, "done"), ended.stderr
    assert "Error" not in ended.stderr, ended.stderr


def test_pending_exception_stays():
    """A change made while an exception travels does not lose it."""
    dict_ = {"a": 1}
    guards = guards_of(dict_, "named")

    class Manager:
        def __enter__(self):
            return self

        def __exit__(self, *_):
            dict_["a"] = 2
            dict_[("no", "string")] = 3

    with pytest.raises(ZeroDivisionError), Manager():
        torch.ones(1).item() / 0
    assert not guards.check()
