"""Generates programs that change what they were given, at sizes and numbers that differ from call to call: caches that
grow and are cut, buffers written at a position, counters, lists and dicts of tensors, arguments written in place.

A program is a list of steps drawn from a seed. It is called many times with a store that lives through some of the calls.
"""

import random

import torch


class Store:
    """What a caller keeps between calls."""

    def __init__(self, rows):
        self.k = values(rows, 6)
        self.buffer = torch.zeros(64, 6, dtype=torch.float64)
        self.position = 0
        self.calls = 0
        self.parts = [values(rows, 6), values(2, 6)]
        self.named = {"last": values(rows + 1, 6), "rows": rows}


def values(*sizes):
    return torch.randn(*sizes, dtype=torch.float64)


def append(y, x, s, n, c):
    s.k = torch.cat([s.k, y.sigmoid()])
    return y


def append_some(y, x, s, n, c):
    s.k = torch.cat([s.k, y[:c].sigmoid()])
    return y


def keep_last(y, x, s, n, c):
    s.k = s.k[-(c + 4) :]
    return y


def drop_first(y, x, s, n, c):
    s.k = s.k[1:].clone() if s.k.shape[0] > 4 else torch.cat([s.k, s.k])
    return y


def cut_to(y, x, s, n, c):
    s.k = s.k[: n + 2].contiguous()
    return y


def write_at_position(y, x, s, n, c):
    s.buffer[s.position : s.position + y.shape[0]] = y
    return y


def write_at_number(y, x, s, n, c):
    s.buffer[n] = y.mean(0)
    return y


def write_rows(y, x, s, n, c):
    s.buffer.index_copy_(0, torch.arange(n, n + y.shape[0]), y)
    return y


def read_to_position(y, x, s, n, c):
    return y + s.buffer[: s.position + c].mean(0)


def read_at_number(y, x, s, n, c):
    return y + s.buffer[n : n + c].sum(0)


def move_on(y, x, s, n, c):
    s.position += y.shape[0] if s.position < 20 else -s.position
    return y


def count(y, x, s, n, c):
    s.calls += 1
    return y


def by_count(y, x, s, n, c):
    return y * (s.calls + c)


def attend(y, x, s, n, c):
    return (y @ s.k.t()).softmax(-1) @ s.k


def attend_buffer(y, x, s, n, c):
    keys = s.buffer[: s.position + 2]
    return (y @ keys.t()).softmax(-1) @ keys


def masked(y, x, s, n, c):
    rows, columns = torch.arange(y.shape[0])[:, None] + s.position, torch.arange(s.k.shape[0])
    return (y @ s.k.t()).masked_fill(columns > rows, -1e9).softmax(-1) @ s.k


def scale_cache(y, x, s, n, c):
    s.k.mul_(0.5)
    return y


def write_cache_row(y, x, s, n, c):
    s.k[-1] = y.mean(0)
    return y


def write_argument(y, x, s, n, c):
    x.add_(c)
    return y


def write_part_of_argument(y, x, s, n, c):
    x[1:].mul_(0.5)
    return y + x.mean(0)


def zero_to_number(y, x, s, n, c):
    x[:n].zero_()
    return y


def replace_part(y, x, s, n, c):
    s.parts[0] = torch.cat([s.parts[0], y[:1].tanh()]) if s.parts[0].shape[0] < 30 else s.parts[0][:3].clone()
    return y


def swap_parts(y, x, s, n, c):
    s.parts.reverse()
    return y + s.parts[0].mean(0)


def another_part(y, x, s, n, c):
    s.parts.append(y * 2)
    s.parts.pop(0)
    return y


def remember(y, x, s, n, c):
    s.named["last"] = y.tanh()
    s.named["rows"] = y.shape[0] + n
    return y


def remembered(y, x, s, n, c):
    return y + s.named["last"].mean(0) * s.named["rows"]


def forget(y, x, s, n, c):
    s.named.pop("extra", None)
    s.named["extra"] = s.k.shape[0] - n
    return y


def keep_argument(y, x, s, n, c):
    s.parts[1] = x
    return y


def keep_view(y, x, s, n, c):
    s.parts[1] = x[1:]
    return y


def by_number(y, x, s, n, c):
    return y * n + n // 2


def rows_of_number(y, x, s, n, c):
    return torch.cat([y, torch.full((n, 6), float(c), dtype=y.dtype)])[-8:]


def to_number(y, x, s, n, c):
    return torch.cat([y[:n], y[:1]])


def rolled(y, x, s, n, c):
    return y.roll(n, 0)


def branch(y, x, s, n, c):
    return y * 2 if n > 3 * c else y - 1


def branch_on_length(y, x, s, n, c):
    return y + 1 if s.k.shape[0] > 4 * c else y * 0.5


def branch_on_count(y, x, s, n, c):
    return y + s.k.mean(0) if s.calls % (c + 1) == 0 else y


def positions(y, x, s, n, c):
    return y + torch.arange(n, n + y.shape[0])[:, None] * 0.1


def centred(y, x, s, n, c):
    return y - y.mean(0, keepdim=True)


def noise(y, x, s, n, c):
    return y + torch.rand(y.shape[0], 1, dtype=y.dtype)


STEPS = [
    append, append_some, keep_last, drop_first, cut_to, write_at_position, write_at_number, write_rows,
    read_to_position, read_at_number, move_on, count, by_count, attend, attend_buffer, masked, scale_cache,
    write_cache_row, write_argument, write_part_of_argument, zero_to_number, replace_part, swap_parts, another_part,
    remember, remembered, forget, keep_argument, keep_view, by_number, rows_of_number, to_number, rolled, branch,
    branch_on_length, branch_on_count, positions, centred, noise,
]  # fmt: skip


class Generated:
    """A program and the calls it gets."""

    def __init__(self, seed):
        self.seed = seed
        chosen = random.Random(seed)
        self.steps = [(chosen.choice(STEPS), chosen.randint(1, 4)) for _ in range(chosen.randint(1, 5))]
        self.returned = chosen.choice(["tensor", "tuple", "numbers"])
        self.calls = self.choose_calls(chosen)

    def choose_calls(self, chosen):
        """(store, rows of the argument, number): a decode loop, any sizes, or two loops in turn."""
        manner = chosen.choice(["decode", "any", "in turn", "blocks"])
        length = 36
        if manner == "decode":
            return [(0, 5 if i == 0 else 1 + chosen.randint(0, 1) * (i % 2), i) for i in range(length)]
        if manner == "in turn":
            return [(i % 2, chosen.randint(2, 5), i // 2) for i in range(length)]
        if manner == "blocks":
            return [(i // 12, 3, i % 12) for i in range(length)]
        return [(i // 9, chosen.randint(1, 24), chosen.randint(0, 20)) for i in range(length)]

    def function(self):
        steps, returned = self.steps, self.returned

        def run(x, store, n):
            y = x * 1.5
            for step, number in steps:
                y = step(y, x, store, n, number)
            if returned == "tensor":
                return y * 2
            return (y * 2, store.k) if returned == "tuple" else (y * 2, n + 1, y.shape[0], store.position)

        return run

    def __repr__(self):
        names = ", ".join(f"{step.__name__} {number}" for step, number in self.steps)
        return f"seed {self.seed}: {names}; returns {self.returned}"
