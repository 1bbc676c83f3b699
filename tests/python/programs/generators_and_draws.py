"""Random numbers: whose generator moves, how far, and what is left when a call stops half way."""

import torch
import torch.nn.functional as F

from programs import data, first_of_phase, phases, program


def states(*generators):
    return [generator.get_state().sum().item() for generator in generators]


@program
def generator_argument_reseeded_and_replaced(compile):
    generator = torch.Generator().manual_seed(1)
    f = compile(lambda x, generator=None: x * torch.rand(4, generator=generator) + torch.randn_like(x))
    for change, first in first_of_phase((0, 1, 2, 3)):
        if first and change == 1:
            generator.manual_seed(7)
        elif first and change == 2:
            generator = torch.Generator().manual_seed(3)
        yield f(data(4), generator if change < 3 else None), f(data(4), generator=generator)


@program
def two_generators_become_one(compile):
    class Box:
        pass

    left, right, box = torch.Generator().manual_seed(1), torch.Generator().manual_seed(2), Box()
    box.left, box.right = left, right
    f = compile(lambda x, box: x + torch.rand(4, generator=box.left) - torch.rand(4, generator=box.right))
    for change, first in first_of_phase((0, 1, 2)):
        if first and change:
            box.right = left if change == 1 else left.clone_state()
        yield f(data(4), box), states(left, right)


@program
def generator_in_a_global_table_replaced(compile):
    table = {"generator": torch.Generator().manual_seed(1)}
    f = compile(lambda x: x + torch.rand(4, generator=table["generator"]))
    for change, first in first_of_phase((0, 1, 2)):
        if first and change:
            table["generator"] = torch.Generator().manual_seed(1) if change == 1 else None
        yield f(data(4))


@program
def every_kind_of_draw(compile):
    def f(x, p):
        return [
            torch.bernoulli(p),
            torch.multinomial(p, 2),
            torch.randperm(5),
            torch.empty(4).normal_(1, 2),
            torch.randint(0, 9, (3,)),
            torch.normal(x, 1.0),
            torch.poisson(p * 3),
            torch.empty(3).exponential_(),
            F.gumbel_softmax(x, dim=0),
            F.dropout(x, 0.3),
            torch.empty(4).uniform_(-1, 1),
            torch.empty(4).geometric_(0.3),
            F.rrelu(x, training=True),
            torch.empty(4).log_normal_(),
            torch.empty(4).cauchy_(),
            torch.randint_like(x, 5),
            torch.empty(3).bernoulli_(0.4),
            F.alpha_dropout(x, 0.2, training=True),
        ]

    f = compile(f)
    for seed, first in first_of_phase((0, 1)):
        if first:
            torch.manual_seed(seed)
        yield f(data(4), torch.tensor([0.1, 0.2, 0.3, 0.4]))


@program
def draw_before_an_index_out_of_range(compile):
    f = compile(lambda x, i: (x + torch.rand(4))[i] + torch.rand(1))
    for index in phases(2, 9, 2):
        try:
            result = f(data(4), torch.tensor([1, index]))
        except IndexError as error:
            result = str(error)
        yield result


@program
def write_and_draw_before_an_index_out_of_range(compile):
    def f(x, i):
        x.add_(torch.rand(4))
        picked = x[i]
        x.mul_(2)
        return picked

    f = compile(f)
    for index in phases(2, 9, 2):
        x = data(4)
        try:
            result = f(x, torch.tensor([1, index]))
        except IndexError as error:
            result = str(error)
        yield result, x


@program
def branch_on_a_value_after_a_write_and_a_draw(compile):
    def f(x):
        x.add_(torch.rand(4) * 0)
        if x.sum() > 0:
            x.mul_(torch.rand(1))
            return x * 2
        x.sub_(torch.rand(1))
        return x * 3

    f = compile(f)
    for start in phases(1, -1, 1, -1):
        x = torch.full((4,), float(start))
        yield f(x), x


@program
def number_of_draws_read_from_a_tensor(compile):
    f = compile(lambda x, count: x.sum() + torch.rand(int(count)).sum())
    for count in phases(2, 5, 2):
        yield f(data(4), torch.tensor(count))


@program
def draws_inside_and_outside_of_a_fork(compile):
    f = compile(lambda x: F.dropout(x, 0.5))
    for _ in phases(0, 1):
        with torch.random.fork_rng():
            inside = f(data(40))
        yield inside, f(data(40)), f(data(0)), f(data(40))


@program
def samples_of_distributions(compile):
    def f(mean, scale):
        normal = torch.distributions.Normal(mean, scale)
        sample = normal.rsample()
        return sample, normal.log_prob(sample), torch.distributions.Categorical(logits=mean).sample()

    f = compile(f)
    for shift in phases(0, 1):
        yield f(data(4), torch.ones(4) + shift)
