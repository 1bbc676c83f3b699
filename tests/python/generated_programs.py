"""Generates programs of views, in-place writes, slices and new values over arguments that may share memory.

A program is Python source made from a seed, so a failure can be printed, replayed and cut down by hand. Statements are
tried on real tensors while they are chosen, so that most programs run to their end, whichever way the arguments alias.
"""

import random

import torch
from eager_equality import twin

VALUES = torch.arange(4096, dtype=torch.float32) % 13 - 6

# How three arguments of shape (4, 6) lie in memory; each maps to fresh tensors.
PATTERNS = {
    "separate": lambda: [fresh(24).view(4, 6) + i for i in range(3)],
    "first two are one": lambda: [(x := fresh(24).view(4, 6)), x, fresh(24).view(4, 6) + 1],
    "all three are one": lambda: [(x := fresh(24).view(4, 6)), x, x],
    "two objects, one memory": lambda: [(x := fresh(24).view(4, 6)), x.view(4, 6), fresh(24).view(4, 6)],
    "rows overlap": lambda: [(b := fresh(60).view(10, 6))[:4], b[2:6], b[6:]],
    "rows touch": lambda: [(b := fresh(72).view(12, 6))[:4], b[4:8], b[8:]],
    "columns interleave": lambda: [(b := fresh(48).view(4, 12))[:, ::2], b[:, 1::2], fresh(24).view(4, 6)],
    "transposed": lambda: [(b := fresh(24).view(6, 4)).t(), b.view(4, 6), fresh(24).view(4, 6)],
    "shifted by one": lambda: [(b := fresh(40))[:24].view(4, 6), b[1:25].view(4, 6), b[16:].view(4, 6)],
    "first is expanded": lambda: [(b := fresh(24).view(4, 6))[:1].expand(4, 6), b, fresh(24).view(4, 6)],
}


def fresh(count):
    return VALUES[:count].clone()


VIEWS = [
    "{a}[1:]", "{a}[:-1]", "{a}[::2]", "{a}[..., 1:]", "{a}[..., ::2]", "{a}[0]", "{a}[-1]", "{a}.t()",
    "{a}.transpose(0, -1)", "{a}.view(-1)", "{a}.reshape(-1)", "{a}.flatten()", "{a}.unsqueeze(0)",
    "{a}.unsqueeze(-1)", "{a}.squeeze()", "{a}.narrow(0, 0, 2)", "{a}.diagonal()", "{a}.unfold(-1, 2, 1)",
    "{a}.unfold(0, 2, 2)", "{a}.select(-1, 1)", "{a}.chunk(2, 0)[1]", "{a}.split(2, -1)[0]", "{a}.detach()",
    "{a}.expand(2, *{a}.shape)", "{a}.view_as({a})", "{a}.unflatten(-1, (2, -1))", "{a}.movedim(0, -1)",
    "{a}.as_strided((2, 3), (3, 1), {a}.storage_offset())", "{a}[None]", "{a}.permute(*reversed(range({a}.dim())))",
    "{a}.swapaxes(0, -1)", "{a}.unbind(0)[-1]", "{a}.alias()",
]  # fmt: skip
WRITES = [
    "{a}.add_({b})", "{a}.mul_(2)", "{a}.sub_({b})", "{a}.copy_({b})", "{a}.fill_({n})", "{a}.zero_()", "{a}.neg_()",
    "{a}.relu_()", "{a}.clamp_(-4, 4)", "{a}[...] = {b}", "{a}[0] = {b}", "{a}[..., 0] = {n}", "{a}[1:] = {b}",
    "{a}[::2] += {n}", "{a}.masked_fill_({a} > 2, {n})", "torch.add({b}, {c}, out={a})", "torch.mul({b}, 2, out={a})",
    "{a}.addcmul_({b}, {c})", "{a}.lerp_({b}, 0.5)", "torch._foreach_add_([{a}, {b}], 1.0)", "{a}[{a} > 3] = {n}",
    "{a}.index_fill_(0, torch.tensor([0]), {n})", "{a}.copy_({a} + {b})", "{a}.add_({a})", "{a}.t_()",
    "{a}.unsqueeze_(0)", "{a}.set_({b})", "{a}.data.add_(1)",
]  # fmt: skip
VALUES_MADE = [
    "{a} + {b}", "{a} * 2", "{a} - {b}", "{a}.clone()", "{a}.sum(0)", "{a}.sum()", "{a}.mean(-1, keepdim=True)",
    "torch.where({a} > 0, {a}, {n})", "{a}.contiguous()", "torch.cat([{a}, {a}])", "torch.stack([{a}, {a}], -1)",
    "torch.zeros_like({a})", "torch.empty_like({a}).copy_({b})", "torch.zeros({rows}, 6)", "{a}.flip(0)",
    "{a}.roll(1, -1)", "{a}.relu()", "{a}.max(-1)[0]", "{a}.expand_as({a}) + {n}",
    "{a}.repeat(2, *[1] * ({a}.dim() - 1))", "torch.maximum({a}, {b})", "{a}.cumsum(0)",
]  # fmt: skip
RARE = {"{a}.t_()", "{a}.unsqueeze_(0)", "{a}.set_({b})", "{a}.data.add_(1)", "{a}[{a} > 3] = {n}"} | {
    "torch.add({b}, {c}, out={a})", "torch.mul({b}, 2, out={a})",
}  # fmt: skip


class Generated:
    """Source of one program, the two alias patterns it is called with, and the seed that makes it again."""

    def __init__(self, seed):
        self.seed = seed
        self.random = random.Random(seed)
        self.patterns = self.random.sample(sorted(PATTERNS), 2)
        self.lines = []
        self.names = ["x", "y", "z"]
        self.worlds = [dict(zip("xyz", PATTERNS[pattern]())) for pattern in self.patterns]
        for _ in range(self.random.randint(4, 12)):
            self.add_statement()
        results = {*self.names[-2:], *self.random.sample(self.names, min(len(self.names), 3))}
        self.lines.append(f"return {', '.join(sorted(results))},")
        body = "\n".join(f"    {line}" for line in self.lines)
        self.source = f"def program(x, y, z):\n{body}\n"

    def function(self):
        space = {"torch": torch}
        exec(compile(self.source, f"<generated program {self.seed}>", "exec"), space)
        return space["program"]

    def arguments(self, pattern):
        return PATTERNS[pattern]()

    def add_statement(self):
        for _ in range(8):
            line, made, apart = self.candidate()
            if apart and not all(self.is_defined(line, apart, world) for world in self.worlds):
                continue
            trial = [self.runs(line, world) for world in self.worlds]
            if all(trial) or (any(trial) and self.random.random() < 0.1):
                self.lines.append(line)
                if made:
                    self.names.append(made)
                return

    def candidate(self):
        kind = self.random.choices([VIEWS, WRITES, VALUES_MADE], [3, 4, 2])[0]
        template = self.random.choice(kind)
        while template in RARE and self.random.random() < 0.8:
            template = self.random.choice(kind)
        a, b, c = (self.random.choice(self.names) for _ in range(3))
        numbers = {"n": self.random.randint(-5, 5), "rows": self.random.randint(1, 4)}
        text = template.format(a=a, b=b, c=c, **numbers)
        if kind is WRITES:
            foreach = "_foreach" in template
            apart = None if foreach else template.format(a=a, b=f"{b}.clone()", c=f"{c}.clone()", **numbers)
            return text, None, apart
        made = f"v{len(self.lines)}"
        return f"{made} = {text}", made, None

    def is_defined(self, line, apart, world):
        """Whether a write gives the same with its operands copied before: else the result is an accident of eager."""
        one, other = twin(dict(world)), twin(dict(world))
        if not self.runs(line, one) or not self.runs(apart, other):
            return True
        return all(torch.equal(one[name], other[name]) for name in self.names if name in world)

    def runs(self, line, world):
        """Whether the statement works; a failed one may have written part of its output, as in the real call."""
        try:
            exec(line, {"torch": torch}, world)
        except Exception:  # noqa: BLE001 - an invalid statement is not chosen
            return False
        return all(value.numel() < 2000 for value in world.values() if isinstance(value, torch.Tensor))

    def __repr__(self):
        return f"seed {self.seed}, patterns {self.patterns}:\n{self.source}"
