"""A row of the survey, and the inputs that rows share: the same numbers every time, made without a random generator."""

from collections.abc import Callable
from dataclasses import dataclass

import torch

VOCABULARY = 96


@dataclass(frozen=True)
class Architecture:
    """`make` gives a module in eval mode and the calls to survey, each (args, kwargs); it draws its weights at random."""

    family: str
    name: str
    make: Callable[[], tuple[torch.nn.Module, list[tuple[tuple, dict]]]]


def prepared(model):
    """The model in eval mode with no parameter all zero or all one, as fresh heads and layer scales are: they hide errors."""
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.is_floating_point():
                parameter.add_(torch.randn_like(parameter) * 0.01)
    return model.eval()


def tokens(batch=2, length=12, first=3):
    """Token ids that are no special tokens."""
    return (torch.arange(batch * length) * 31 % (VOCABULARY - first) + first).view(batch, length)


def padding(batch=2, length=12, absent=4):
    """An attention mask whose last row ends in padding."""
    mask = torch.ones(batch, length, dtype=torch.int64)
    mask[-1, length - absent :] = 0
    return mask


def numbers(*shape):
    """Floats in [-1, 1] without a pattern."""
    count = torch.Size(shape).numel()
    return (torch.sin(torch.arange(count, dtype=torch.float64) ** 1.5)).float().view(shape)


def images(batch=2, size=32, channels=3):
    return numbers(batch, channels, size, size)
