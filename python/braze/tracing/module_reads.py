"""Which modules a call asked for their parameters, buffers and submodules, by the few functions of PyTorch that look into
those dicts of one module. Of the others they need no guard: most modules of a model are asked for one name, which the
first of the three dicts has.
"""

import weakref

from torch import nn

LOOKUP_ORDER = ("_parameters", "_buffers", "_modules")
DICTS = frozenset(LOOKUP_ORDER)
_WHOLE = ("__iter__", "__len__", "__contains__", "__getitem__", "_get_abs_string_index", "keys", "items", "values")


def _codes(cls, *names):
    methods = (vars(cls).get(name) for name in names)
    return frozenset(method.__code__ for method in methods if hasattr(method, "__code__"))


_LOOKUP = _codes(nn.Module, "__getattr__")
READERS = _LOOKUP.union(*(_codes(cls, *_WHOLE) for cls in (nn.Sequential, nn.ModuleList, nn.ModuleDict)))


class ModuleReads:
    """What the frames of READERS that ran looked into. Keeps no module alive."""

    def __init__(self):
        self._asked = {}  # by id: (weak reference, names of the dicts)
        self._of_all = False

    def note(self, frame):
        """A frame of a code of READERS, about to run."""
        variables = frame.f_locals
        module = variables["self"]
        if not issubclass(type(module), nn.Module):
            return
        names = dicts_of_lookup(module, variables["name"]) if frame.f_code in _LOOKUP else ("_modules",)
        self._dicts_of(module).update(names)

    def has(self, module, name):
        """Whether the module was asked for what its dict of this name has."""
        if self._of_all:
            return True
        module_of, names = self._asked.get(id(module), (None, ()))
        return module_of is not None and module_of() is module and name in names

    def update(self, other):
        self._of_all |= other._of_all
        for module, names in other._living():
            self._dicts_of(module).update(names)

    def is_within(self, other):
        """Whether of the modules that live no more was asked here than there."""
        if self._of_all:
            return other._of_all
        return all(other.has(module, name) for module, names in self._living() for name in names)

    def widen(self):
        """Every module counts as asked for everything, as where calls ask now these, now those."""
        self._of_all = True

    def _living(self):
        found = ((module_of(), names) for module_of, names in self._asked.values())
        return [(module, names) for module, names in found if module is not None]

    def _dicts_of(self, module):
        module_of, names = self._asked.get(id(module), (None, None))
        if module_of is None or module_of() is not module:
            names = set()
            self._asked[id(module)] = weakref.ref(module), names
        return names


def dicts_of_lookup(module, name):
    """The dicts that nn.Module.__getattr__ looks into, in its order, up to the one that has the name."""
    attributes = object.__getattribute__(module, "__dict__")
    for looked_into, kind in enumerate(LOOKUP_ORDER, 1):
        if type(held := attributes.get(kind)) is dict and name in held:
            return LOOKUP_ORDER[:looked_into]
    return LOOKUP_ORDER
