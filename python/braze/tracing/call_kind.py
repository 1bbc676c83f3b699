"""Calls with equal arguments and PyTorch state, what is known of them, and what they leave behind once they have an entry."""

import weakref

from braze.tracing import proof
from braze.tracing.results import described
from braze.tracing.told import same_sayings

MOST_PENDING = 4  # known calls of one kind


class CallAtHand:
    """A call that is being learned from. What it did is filled in once it has been traced."""

    def __init__(self, args, kwargs, memory, arguments):
        self.args, self.kwargs = args, kwargs
        self.memory = memory  # the ArgumentMemory
        self.arguments = arguments  # the tensors among them
        self.same_state = []  # the KnownCalls of its kind that began with the same Python state
        self.expected = []  # those that it may turn out to repeat
        self.code = None  # what was expected to run
        self.before = None  # the Python state before the call, when that was known
        self.start = None  # the CallStart, when it was known what the call would write
        self.trace = None
        self.state = None  # the Python state that it read
        self.program = self.tree = self.captured = self.effects = self.results = None

    def paths(self):
        """Where the captured tensors were found."""
        return [self.state.path_of(tensor) for tensor in self.captured]


class KnownCall:
    """What a call of a kind did, for a later one to do the same. Calls of a kind may take different ways, in turn or at
    random: what they have to have is a reason that guards see, the Python state or values that Python reads.
    """

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
        # As it would be found once more, if it was looked for where this call has read.
        is_own = call.state.is_closed and call.trace.executed.is_within(call.state.executed)
        self.closed_state = call.state if is_own else None
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

    def is_repeated_by(self, call):
        """Whether a later call did what this one did."""
        return (
            call.program.same_as(self.program)
            and call.tree.describe() == self.tree.describe()
            and described(call.effects) == described(self.effects)
            and same_sayings(call.trace.told, self.told)
            and len(call.captured) == len(self.captured)
            and all(a is b for a, b in zip(call.captured, self.captured))
            and call.trace.executed.is_within(self.executed)
        )

    def state_holds(self):
        """Whether the Python state is that of the call."""
        return self.guards is not None and self.guards.check()

    def may_be_repeated(self):
        """Whether nothing in the Python state says that calls do something else now."""
        return self.guards is None or self.guards.check()

    def is_told_from(self, call):
        """Whether guards see why a later call did something else: it began with another Python state, or Python read
        other values.
        """
        values = zip(self.program.values_read, call.program.values_read)
        return self not in call.same_state or any(a != b for a, b in values)


class CallKind:
    """Calls with equal arguments and PyTorch state: how far they have come."""

    def __init__(self, spec, state):
        self.spec = spec
        self.state = state
        self.attempts = 0
        self.pending = []  # the KnownCalls that a later one may confirm, the newest last
        self.executed = None  # the code that ran in the last call that was traced
        self.paths = 0  # entries for calls of this kind
        self.values_decide = False  # whether one of them was made in the Python state of now, and yet does not answer

    @property
    def newest(self):
        return self.pending[-1] if self.pending else None

    def expect(self, call):
        """Notes what a call, which is about to begin, may turn out to repeat. Where the state has changed, perhaps in what
        does not matter, that is the newest.
        """
        call.same_state = [known for known in self.pending if known.may_be_repeated()]
        call.expected = call.same_state or self.pending[-1:]

    def keep(self, call):
        """Remembers a call, and forgets those that did something else for no reason that can be seen."""
        told_apart = [known for known in self.pending if known.is_told_from(call)]
        self.pending = told_apart[1 - MOST_PENDING :] + [KnownCall(self, call)]
        self.executed = call.trace.executed

    def repeated_by(self, call):
        """The known call that this one did over again; None when there is none, or when others of the same state did
        something else.
        """
        repeated = next((known for known in call.expected if known.is_repeated_by(call)), None)
        others = [known for known in self.pending if known is not repeated]
        return repeated if all(known.is_told_from(call) for known in others) else None

    def forget(self):
        self.pending, self.executed = [], None


class PublishedKind:
    """What a known call leaves behind once it has an entry: it keeps nothing alive that the entry lets go of."""

    def __init__(self, known, entry):
        self.spec, self.state, self.program, self.planned = known.spec, known.state, known.program, known.planned
        self.result, self.executed, self.state_holds = known.result, known.executed, entry.state_holds
        self.integers, self.effects = known.integers, known.effects
        self.entry, self.count = entry, len(known.captured)

    def tensors(self):
        """The tensors it captured; None when the entry has let go of them. (A weak reference to a tensor would keep
        torch.utils.swap_tensors from doing its work.)
        """
        tensors = list(self.entry.captured)
        return tensors if len(tensors) == self.count else None


class Published:
    """An entry of the callable, and what is needed to check it against eager again. `form` is the Form of its program,
    `shapes` the ShapeFunction when it is for many sizes.
    """

    def __init__(self, callable_, entry, form, spec, paths, known):
        self.callable = weakref.ref(callable_)
        self.entry = entry
        self.form = form
        self.spec = spec
        self.paths = paths
        self.kind = PublishedKind(known, entry)
        self.program = known.program
        self.effects = known.effects
        self.shapes = None
        self.times_of_one = []  # of the steps, of an entry for many sizes at one of them

    @property
    def compiled(self):
        return self.form.compiled

    @property
    def step_microseconds(self):
        return self.times_of_one if self.shapes else self.compiled.step_microseconds

    def compiled_for(self, args, kwargs):
        """The CompiledCall that answers this call; None when eager does."""
        if self.shapes is None:
            return self.compiled
        return self.compiled.at(self.spec.symbol_values(args, kwargs))

    def start_of(self, args, kwargs):
        inputs = self.spec.tensors(args, kwargs) + list(self.entry.captured)
        return proof.CallStart(inputs, self.program.mutated_slots, self.program.drawn)
