"""What a call changes in the lists, dicts and plain objects among its arguments: a cache that grows, a state that is kept."""

import collections
import types

from braze import _C

REORDERED = "a dict among the arguments was put in another order"  # the one change that no replay repeats
_ABSENT = object()


class ArgumentMemory:
    """The containers of a call's arguments as they were before it, and what became of them. `places`: by the id of their
    owner, the Place that counts as an argument.

    `containers`: those that `spec` looks into, in its order. Objects that it matches by identity are watched too:
    `changed_objects` are the paths of those whose attributes the call changed.
    """

    def __init__(self, spec, args, kwargs, places=None):
        self.containers = spec.containers(args, kwargs)
        self.places = [(places or {}).get(id(c)) if spec.is_owner(i) else None for i, c in enumerate(self.containers)]
        self.before = [contents_of(*kept) for kept in zip(self.containers, self.places)]
        self.bodies = [body_of(container) for container in self.containers]
        self.inner = []
        whole = _C.ArgumentSpec.build(args, kwargs, True, {"*"}) if spec.objects else None
        if isinstance(whole, _C.ArgumentSpec):
            known = {id(container) for container in self.containers}
            self.inner = [
                (path, container, contents_of(container))
                for path, container in zip(whole.container_paths(), whole.containers(args, kwargs))
                if id(container) not in known
            ]
        self.object_paths = [path for path, _ in spec.objects]

    def changed_objects(self):
        """Of the objects matched by identity, the paths of those that were changed, or something inside them."""
        changed = {path for path, container, before in self.inner if not same(before, contents_of(container))}
        return {root for root in self.object_paths for path in changed if is_within(path, root)}

    def outcome(self, result, told=(), before=None):
        """(what the output tree is built from, effects): the result alone when nothing has changed and nothing was told,
        else a tuple of it and the values of the effects. None when a change is not one that can be repeated. `before`:
        what the containers held when the call began.
        """
        found = self.effects(self.before if before is None else before)
        if found is None:
            return None
        effects, values = found
        for function, arguments in told:
            effects.tell(function, arguments)
        return ((result, *values), effects) if effects.describe() or told else (result, None)

    def rewound(self, start):
        """Inside, the containers and what the call wrote, of which `start` has copies, are as before the call."""
        names = [None if place is None or place.names is None else tuple(place.names) for place in self.places]
        return _C.Rewind(self.containers, names, self.before, start.written)

    def put(self, changes):
        """Puts each (container, key, value) in its place; returns the contents of all containers then."""
        for position, key, value in changes:
            container = self.containers[position]
            if isinstance(container, types.CellType):
                container.cell_contents = value
            elif isinstance(container, list):
                container[key] = value
            elif isinstance(container, dict):
                kind_of_dict(container).__setitem__(container, key, value)
            else:
                attributes_of(container)[key] = value
        return [contents_of(*kept) for kept in zip(self.containers, self.places)]

    def effects(self, contents):
        """(effects, values they need), or None."""
        effects, values = _C.Effects(), []
        for place, (container, before) in enumerate(zip(self.containers, contents)):
            owned = self.places[place]
            now = contents_of(container, owned)
            body = body_of(container)
            if len(body) != len(self.bodies[place]) or any(a is not b for a, b in zip(self.bodies[place], body)):
                return None
            if same(before, now):
                continue
            if isinstance(now, list):
                effects.replace(place)
                values.append(tuple(now))
                continue
            kept = [key for key in before if key in now]
            if any(a is not b for a, b in zip(kept, now)):  # taken out and put in again: the order is another one
                if not isinstance(container, dict):
                    return None
                effects.refill(place, tuple(now))
                values.append(tuple(now.values()))
                continue
            for key in before.keys() - now.keys():
                effects.delete(place, key)
            for key, value in now.items():
                old = before.get(key, _ABSENT)
                if old is value:
                    continue
                counts = owned is not None and key in owned.counters and type(old) is type(value) is int
                (effects.add if counts else effects.set)(place, key)
                values.append(value - old if counts else value)
        return effects, values


def is_within(path, root):
    """Whether one path of an argument leads to another or to something inside it."""
    return path == root or path.startswith((root + ".", root + "["))


def contents_of(container, place=None):
    """A shallow copy: a list, or a dict of items or attributes, of those that belong to the place."""
    if isinstance(container, (list, tuple)):
        return list(container)
    if isinstance(container, types.CellType):
        return cell_contents(container)
    if isinstance(container, dict):
        contents = dict(kind_of_dict(container).items(container))
    else:
        contents = dict(attributes_of(container))
    if place is None or place.names is None:
        return contents
    return {name: contents[name] for name in sorted(place.names) if name in contents}


def kind_of_dict(container):
    return collections.OrderedDict if isinstance(container, collections.OrderedDict) else dict


def cell_contents(cell):
    try:
        return {"cell_contents": cell.cell_contents}
    except ValueError:
        return {}


def body_of(container):
    """What makes it the object it is, besides its contents: its class, and the dict of its attributes."""
    if type(container) in (list, dict, types.CellType) or isinstance(container, tuple):
        return (type(container),)
    attributes = attributes_of(container)
    if isinstance(container, dict):
        return type(container), *sorted(attributes, key=str), *attributes.values()
    return type(container), attributes


def attributes_of(container):
    try:
        return object.__getattribute__(container, "__dict__")
    except AttributeError:
        return {}


def same(before, now):
    """The very same objects under the same keys in the same order."""
    if len(before) != len(now):
        return False
    if isinstance(before, list):
        return all(a is b for a, b in zip(before, now))
    return all(a is b and x is y for (a, x), (b, y) in zip(before.items(), now.items()))
