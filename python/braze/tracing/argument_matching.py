"""What counts as an argument of a callable's calls, and how it is matched: by its identity, or by its structure."""

from braze import _C
from braze.tracing.argument_memory import is_within
from braze.tracing.kept_places import KeptPlaces


class ArgumentMatching:
    """Learned from calls. Whoever is told that something has changed begins anew with the kinds that it is about."""

    def __init__(self, keyword_order_matters, attributes_matter):
        self.keyword_order_matters = keyword_order_matters
        self.attributes_matter = attributes_matter  # the function may read attributes of tensors
        self.by_structure = set()  # paths of arguments that are matched by their attributes, though objects
        self.by_identity = set()  # paths of those that must not be
        self.places = KeptPlaces()  # what counts as an argument, as calls replace it
        self.fresh_keyed = (
            set()
        )  # functools caches in which calls find nothing, for they ask about tensors of their own
        self.not_fresh_keyed = set()

    def spec_of(self, args, kwargs):
        """The arguments and what counts as such; a refusal as a tuple when they are not vouched for."""
        return _C.ArgumentSpec.build(
            args,
            kwargs,
            self.keyword_order_matters,
            self.by_structure,
            self.by_identity,
            self.places.rows(),
            self.attributes_matter,
        )

    def replaced_objects(self, spec, earlier_specs):
        """The arguments, by path, in whose place an otherwise equal call had another object."""
        described, replaced = spec.describe(), set()
        for other in earlier_specs:
            earlier = dict(other.objects)
            if other.describe() == described:
                replaced |= {path for path, value in spec.objects if earlier.get(path) is not value}
        return replaced - self.by_structure - self.by_identity

    def look_into(self, paths):
        """From now on objects at these paths are matched by structure. False when nothing of it is new."""
        if paths <= self.by_structure:
            return False
        self.by_structure |= paths
        return True

    def look_into_changed(self, memory):
        """The call may have changed objects that were matched by identity."""
        return self.look_into(memory.changed_objects() - self.by_identity)

    def look_into_returned(self, call, result):
        """The call may return tuples that it was given: from now on they count as containers."""
        returned = set(tuples_in(result)) - set(map(id, call.memory.containers))
        if not returned:
            return False
        every = _C.ArgumentSpec.build(call.args, call.kwargs, True, {"*"})
        if isinstance(every, tuple):
            return False
        given = zip(every.container_paths(), every.containers(call.args, call.kwargs))
        return self.look_into({path for path, value in given if id(value) in returned})

    def leave_caches(self, call):
        """The call may have put into functools caches what will not be found again: from now on these do not count."""
        tensors = [*call.arguments, *(tensor for _, tensor in call.before.tensors)]
        caches = [cache for cache in call.before.caches if not cache.is_as_it_was() and cache.forgets(tensors)]
        new = {cache.wrapper for cache in caches} - self.fresh_keyed - self.not_fresh_keyed
        self.fresh_keyed |= new
        return bool(new)

    def cache_that_counts(self, call):
        """The path of a cache that was thought not to count, and from which somebody may get what the call put there."""
        tensors = [*call.arguments, *(tensor for _, tensor in call.before.tensors), *call.results]
        for cache in call.before.changed_caches():
            if not cache.forgets(tensors):
                self.fresh_keyed.discard(cache.wrapper)
                self.not_fresh_keyed.add(cache.wrapper)
                return cache.path
        return None

    def leave_shared(self, spec, memory, state):
        """A container matched by structure may also be part of the state, where code could tell it from an equal one:
        such are matched by identity from now on.
        """
        passed = passed_containers(spec, memory)
        met = {path for path, value in passed if id(value) in state.seen and not isinstance(value, tuple)}
        roots = {root for root in self.by_structure for path in met if is_within(path, root)}
        self.by_identity |= met | roots
        self.by_structure -= roots
        return bool(met)


def passed_containers(spec, memory):
    """(path, container) of those that were passed, or lie in a place that counts as an argument."""
    found = enumerate(zip(spec.container_paths(), memory.containers))
    return [pair for i, pair in found if not spec.is_owner(i)]


def tuples_in(result):
    """The ids of the tuples in a result of lists, dicts and tuples."""
    todo, seen = [result], set()
    while todo:
        value = todo.pop()
        if id(value) in seen or not isinstance(value, (tuple, list, dict)):
            continue
        seen.add(id(value))
        if isinstance(value, tuple):
            yield id(value)
        todo.extend(dict.values(value) if isinstance(value, dict) else value)
