"""Calls with equal arguments and PyTorch state, what is known of them, and what they leave behind once they have an entry."""

import weakref

from braze.tracing import proof


class CallAtHand:
    """A call that is being learned from. What it did is filled in once it has been traced."""

    def __init__(self, args, kwargs, memory, arguments):
        self.args, self.kwargs = args, kwargs
        self.memory = memory  # the ArgumentMemory
        self.arguments = arguments  # the tensors among them
        self.before = None  # the Python state before the call, when it was known what code would run
        self.start = None  # the CallStart, when it was known what it would write
        self.trace = None
        self.state = None  # the Python state that it read
        self.program = self.tree = self.captured = self.effects = self.results = None

    def paths(self):
        """Where the captured tensors were found."""
        return [self.state.path_of(tensor) for tensor in self.captured]


class KnownCall:
    """What a call of a kind did, for a later one to do the same."""

    def __init__(self, kind, call):
        self.spec = kind.spec
        self.state = kind.state
        self.program = call.program
        self.tree = call.tree
        self.executed = call.trace.executed
        self.captured = call.captured
        self.effects = call.effects
        self.told = call.trace.told
        # State guards own what they guard; of argument objects nothing may outlive them.
        self.guards = None if kind.spec.objects else call.state.guards
        self.planned = None

    @property
    def result(self):
        """What it returned, as text, whatever the integers in it."""
        return self.tree.describe(integers=False)

    @property
    def integers(self):
        """The integers in what it returned."""
        return [value for value, _ in self.tree.integers]

    def tensors(self):
        """The tensors it captured."""
        return self.captured

    def state_holds(self):
        """Whether the Python state is that of the call."""
        return self.guards is not None and self.guards.check()


class CallKind:
    """Calls with equal arguments and PyTorch state: how far they have come."""

    def __init__(self, spec, state):
        self.spec = spec
        self.state = state
        self.attempts = 0
        self.known = None  # the KnownCall that the next one may confirm
        self.executed = None  # the code that ran in the last call that was traced
        self.paths = 0  # entries for calls of this kind

    def keep(self, call):
        """Remembers a call that was the first to do what it did."""
        self.known = KnownCall(self, call)
        self.executed = self.known.executed

    def forget(self):
        self.known = self.executed = None


class PublishedKind:
    """What a known call leaves behind once it has an entry: it keeps nothing alive that the entry lets go of."""

    def __init__(self, known, entry):
        self.spec, self.state, self.program, self.planned = known.spec, known.state, known.program, known.planned
        self.result, self.executed, self.state_holds = known.result, known.executed, entry.state_holds
        self.integers, self.effects = known.integers, known.effects
        self.captured = [weakref.ref(tensor) for tensor in known.captured]

    def tensors(self):
        tensors = [reference() for reference in self.captured]
        return None if any(tensor is None for tensor in tensors) else tensors


class Published:
    """An entry of the callable, and what is needed to check it against eager again. `compiled` is its program, `shapes`
    the ShapeFunction when it is for many sizes.
    """

    def __init__(self, callable_, entry, compiled, spec, paths, known):
        self.callable = weakref.ref(callable_)
        self.entry = entry
        self.compiled = compiled
        self.spec = spec
        self.paths = paths
        self.kind = PublishedKind(known, entry)
        self.program = known.program
        self.effects = known.effects
        self.shapes = None
        self.step_microseconds = []
        self.layout = self.freezing = ""  # lines for braze.explain

    def compiled_for(self, args, kwargs):
        """The CompiledCall that answers this call; None when eager does."""
        if self.shapes is None:
            return self.compiled
        return self.compiled.at(self.spec.symbol_values(args, kwargs))

    def start_of(self, args, kwargs):
        return proof.CallStart(self.spec.tensors(args, kwargs) + list(self.entry.captured), self.program)
