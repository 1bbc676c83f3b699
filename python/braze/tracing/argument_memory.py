"""What a call changes in the lists, dicts and plain objects among its arguments: a cache that grows, a state that is kept."""

from braze import _C

_ABSENT = object()


class ArgumentMemory:
    """The containers of a call's arguments as they were before it, and what became of them.

    `containers`: those that `spec` looks into, in its order. Objects that it matches by identity are watched too:
    `changed_objects` are the paths of those whose attributes the call changed.
    """

    def __init__(self, spec, args, kwargs):
        self.containers = spec.containers(args, kwargs)
        self.before = [contents_of(container) for container in self.containers]
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

    def outcome(self, result, before=None):
        """(what the output tree is built from, effects): the result alone when nothing has changed, else a tuple of it
        and the values of the effects. None when a change is not one that can be told. `before`: what the containers held
        when the call began.
        """
        found = self.effects(self.before if before is None else before)
        if found is None:
            return None
        effects, values = found
        return ((result, *values), effects) if effects.describe() else (result, None)

    def rewound(self, start):
        """Inside, the containers and what the call wrote, of which `start` has copies, are as before the call."""
        return _C.Rewind(self.containers, self.before, start.written)

    def put(self, changes):
        """Puts each (container, key, value) in its place; returns the contents of all containers then."""
        for place, key, value in changes:
            container = self.containers[place]
            if isinstance(container, (list, dict)):
                container[key] = value
            else:
                object.__getattribute__(container, "__dict__")[key] = value
        return [contents_of(container) for container in self.containers]

    def effects(self, contents):
        """(effects, values they need), or None."""
        effects, values = _C.Effects(), []
        for place, (container, before) in enumerate(zip(self.containers, contents)):
            now = contents_of(container)
            if any(a is not b for a, b in zip(self.bodies[place], body_of(container))):
                return None
            if same(before, now):
                continue
            if isinstance(now, list):
                effects.replace(place)
                values.append(tuple(now))
                continue
            for key in before.keys() - now.keys():
                effects.delete(place, key)
            kept = [key for key in before if key in now]
            if any(a is not b for a, b in zip(kept, now)):
                return None  # taken out and put in again: the order is another one
            for key, value in now.items():
                if before.get(key, _ABSENT) is not value:
                    effects.set(place, key)
                    values.append(value)
        return effects, values


def is_within(path, root):
    """Whether one path of an argument leads to another or to something inside it."""
    return path == root or path.startswith((root + ".", root + "["))


def contents_of(container):
    """A shallow copy: a list, or a dict of items or attributes."""
    if isinstance(container, list):
        return list(container)
    return dict(container if isinstance(container, dict) else object.__getattribute__(container, "__dict__"))


def body_of(container):
    """What makes it the object it is, besides its contents: its class, and the dict of its attributes."""
    if isinstance(container, (list, dict)):
        return (type(container),)
    return type(container), object.__getattribute__(container, "__dict__")


def same(before, now):
    """The very same objects under the same keys in the same order."""
    if len(before) != len(now):
        return False
    if isinstance(before, list):
        return all(a is b for a, b in zip(before, now))
    return all(a is b and x is y for (a, x), (b, y) in zip(before.items(), now.items()))
