"""The measure itself: what the comparison with eager must notice, and what it must let pass."""

import numpy
import pytest
import torch
from eager_equality import Kept, Observer, Raised, Undefined, differences, observe, twin, ulp_distance

X = torch.arange(12.0).view(3, 4)


def views():
    base = torch.zeros(8)
    return base[:4], base[2:6]


def apart():
    return torch.zeros(4), torch.zeros(4)


def shifted():
    base = torch.zeros(8)
    return base[:4], base[3:7]


@pytest.mark.parametrize(
    "expected, got, what",
    [
        (X, X + 1e-3, "values"),
        (X, X.double(), "tensor"),
        (X, X.t().contiguous().t(), "stride"),
        (X, X[:2], "size"),
        (X, torch.nn.Parameter(X), "tensor"),
        (X, X.clone().requires_grad_(), "autograd"),
        (torch.tensor([float("nan")]), torch.tensor([1.0]), "values"),
        (torch.tensor([float("inf")]), torch.tensor([-float("inf")]), "values"),
        (torch.tensor([2**62]), torch.tensor([2**62 + 1]), "values"),
        (views(), apart(), "memory"),
        (views(), shifted(), "memory"),
        ((X, X), (X, X.clone()), "is"),
        ([X], (X,), "type"),
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}, "keys"),
        ([1, 2], [1, 2, 3], "length"),
        (1, 1.0, "type"),
        (1.0, 2.0, "expected"),
        ("a", "b", "value"),
        (numpy.zeros(3), numpy.ones(3), "values"),
        (Raised(ValueError("a")), Raised(TypeError("a")), "exception"),
        (Raised(ValueError("a")), Raised(ValueError("b")), "exception"),
        (torch.complex(X, X).conj(), torch.complex(X, -X), "bits"),
    ],
)
def test_differences_are_noticed(expected, got, what):
    (complaint, *_) = differences(observe(expected), observe(got))
    assert what in complaint


@pytest.mark.parametrize(
    "expected, got",
    [
        (X, X.clone()),
        (X * 3.3, X * 3.3 * (1 + 1e-7)),
        (torch.tensor([float("nan"), float("inf")]), torch.tensor([float("nan"), float("inf")])),
        (views(), views()),
        (Undefined(torch.zeros(3)), Undefined(torch.ones(3))),
        (torch.zeros(0, 4), torch.zeros(0, 4)),
        (X[:1], X[:1].clone()),
        (X.to_sparse(), X.to_sparse()),
        ({1: [X, None], "k": (2.5, True)}, {1: [X.clone(), None], "k": (2.5, True)}),
        (Raised(ValueError("a\nb")), Raised(ValueError("a\nc"))),
    ],
)
def test_equal_things_pass(expected, got):
    assert differences(observe(expected), observe(got)) == []


def test_version_counters():
    def seen(*writes):
        x = X.clone()
        observer = Observer().before(x)
        for write in writes:
            write(x)
        return observer.observe(Kept(x))

    def written(x):
        x.add_(1)

    def behind_its_back(x):
        x.data.add_(1)

    def for_nothing(x):
        x.add_(0)

    assert differences(seen(written), seen(written, for_nothing)) == []
    assert "version counter did not move" in differences(seen(written), seen(behind_its_back))[0]
    assert "version counter moved" in differences(seen(), seen(for_nothing))[0]
    assert differences(seen(for_nothing), seen()) == []


def test_ulps():
    x = torch.tensor([1.0, 0.0, -2.5])
    up = torch.nextafter(x, torch.tensor(torch.inf))
    assert ulp_distance(x, up).tolist() == [1, 1, 1]
    assert ulp_distance(torch.tensor([0.0]), torch.tensor([-0.0])).tolist() == [1]
    assert differences(observe(x), observe(up), ulps=0) and not differences(observe(x), observe(up), ulps=1)


def test_twins_keep_layout_and_aliasing():
    base = torch.arange(20.0)
    args = (base[2:14].view(3, 4).t(), base[4:8], base[:1].expand(5), torch.complex(X, X).conj(), [base])
    copies = twin(args)
    assert differences(observe(args), observe(copies)) == []
    copies[4][0].fill_(-1)
    assert copies[1].tolist() == [-1.0] * 4 and base[0] == 0
