"""Places outside the arguments that calls read and change: attributes, globals and closure variables that are replaced,
lists and dicts that are filled. They count as arguments: read anew at each call, matched by structure, written back.
"""

import dis
import re
import weakref

from braze.tracing.argument_memory import contents_of

# Local variables and constants that happen to be called the same.
_NOT_BY_NAME = frozenset(
    {"LOAD_FAST", "STORE_FAST", "DELETE_FAST", "LOAD_CONST", "KW_NAMES", "MAKE_CELL", "COPY_FREE_VARS"}
)
_SUMS = ("+=", "-=", "+", "-")


class Place:
    """`names`: of the attributes or globals that count; None for all items of a list or dict. `counters`: those of them
    that calls only add to.
    """

    def __init__(self, owner, path, is_whole):
        try:
            self.owner = weakref.ref(owner)
        except TypeError:
            self.owner = lambda: owner
        self.path = f"state of {path}"  # the owner may be an argument too, at the path itself
        self.names = None if is_whole else set()
        self.counters = set()
        self.is_proved = False  # an entry reads it


class KeptPlaces:
    """Those of one callable. A place that leads to no entry is given up: its changes are side effects then."""

    def __init__(self):
        self.places = {}  # by the id of the owner
        self.given_up = set()
        self.numbers = True  # whole numbers that calls replace are among them

    def living(self):
        for place in self.places.values():
            if (owner := place.owner()) is not None:
                yield owner, place

    def rows(self):
        """What ArgumentSpec.build takes."""
        return [
            (owner, None if place.names is None else tuple(sorted(place.names)), tuple(place.counters), place.path)
            for owner, place in self.living()
        ]

    def by_owner(self):
        """The places, by the id of their owners."""
        return {id(owner): place for owner, place in self.living()}

    def take(self, replaced, executed, met_names):
        """From now on what was replaced counts as an argument. False when nothing of it is new. `met_names`: by which
        objects of the state read attributes.
        """
        new = False
        for owner, path, name, old, now in replaced:
            if (id(owner), name) in self.given_up:
                continue
            variable = path.rpartition("<")[2].rstrip(">") if name == "cell_contents" else name
            counts = type(old) is type(now) is int and name not in met_names and only_counts(executed, variable)
            if type(now) is float or (type(now) is int and not counts and not self.numbers):
                continue  # another number at each call
            place = self.places.get(id(owner))
            if place is None or place.owner() is not owner:
                place = self.places[id(owner)] = Place(owner, path, is_whole=name is None)
                new = True
            if name is not None and name not in place.names:
                place.names.add(name)
                place.counters |= {name} if counts else set()
                new = True
        return new

    def stop_counting(self):
        """Lets go of numbers with which calls do more than count: they are arguments only where one entry may serve all
        of them, else each call would be of a kind of its own. False when there were none.
        """
        self.numbers = False
        found = False
        for owner, place in list(self.living()):
            if place.names is None:
                continue
            contents = contents_of(owner)
            numbers = {name for name in place.names - place.counters if type(contents.get(name)) is int}
            place.names -= numbers
            found |= bool(numbers)
            if not place.names:
                del self.places[id(owner)]
        return found

    def prove(self):
        for _, place in self.living():
            place.is_proved = True

    def drop_unproved(self):
        """Whether there were any."""
        dropped = {key: place for key, place in self.places.items() if not place.is_proved}
        for key, place in dropped.items():
            self.given_up.update((key, name) for name in place.names or (None,))
            del self.places[key]
        return bool(dropped)


def only_counts(executed, name):
    """Whether all that the executed code does with attributes or globals of this name is to add a constant integer to
    them: then nothing but the next sum depends on the number.
    """
    return name is not None and all(uses_are_sums(code, name) for code in executed.codes)


def uses_are_sums(code, name):
    in_text = re.compile(rf"(^|\.){re.escape(name)}\b")
    if any(type(text) is str and len(text) < 200 and in_text.search(text) for text in code.co_consts):
        return False  # getattr, or a format
    if name not in code.co_names and name not in code.co_freevars and name not in code.co_cellvars:
        return True
    instructions = [item for item in dis.get_instructions(code) if item.opname not in ("CACHE", "EXTENDED_ARG")]
    named = [item.argval == name and item.opname not in _NOT_BY_NAME for item in instructions]
    loads = [i for i, item in enumerate(instructions) if named[i] and item.opname.startswith("LOAD_")]
    stores = [i for i, item in enumerate(instructions) if named[i] and item.opname.startswith("STORE_")]
    others = sum(named) - len(loads) - len(stores)
    ends = [end_of_sum(instructions, i) for i in loads]
    return others == 0 and None not in ends and sorted(ends) == stores


def end_of_sum(instructions, load):
    """Where the sum begun by this load is stored under the same name again; None when it is no such sum."""

    def opname(i):
        return instructions[i].opname if i < len(instructions) else ""

    constant, add = load + 1, load + 2
    if opname(constant) != "LOAD_CONST" or type(instructions[constant].argval) is not int:
        return None
    if opname(add) != "BINARY_OP" or instructions[add].argrepr not in _SUMS:
        return None
    if opname(load) in ("LOAD_GLOBAL", "LOAD_NAME"):
        return load + 3 if opname(load + 3) == "STORE_GLOBAL" else None
    if opname(load) == "LOAD_DEREF":
        return load + 3 if opname(load + 3) == "STORE_DEREF" else None
    if opname(load) != "LOAD_ATTR":
        return None
    if opname(load - 1) == "COPY" and opname(load + 3) == "SWAP":  # self.n += 1
        return load + 4 if opname(load + 4) == "STORE_ATTR" else None
    same_owner = (
        opname(load - 1) == opname(load + 3) in ("LOAD_FAST", "LOAD_DEREF", "LOAD_GLOBAL")
        and instructions[load - 1].argval == instructions[load + 3].argval
    )
    return load + 4 if same_owner and opname(load + 4) == "STORE_ATTR" else None  # self.n = self.n + 1
