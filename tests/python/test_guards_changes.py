"""A compiled module whose state changes in one of the many ways Python and PyTorch allow never answers with the old state.

Each case changes a module between calls; the calls after it equal the plain module's, errors included.
"""

import copy

import pytest
import torch
from torch import nn

import braze

pytestmark = pytest.mark.usefixtures("entries_always_used")

CASES = {}


def case(change):
    CASES[change.__name__] = change
    return change


def make_net():
    """An instance of classes of its own, which a case may change."""

    class Base(nn.Module):
        base_scale = 1.5

        def scaled(self, x):
            return x * self.base_scale

    class OtherBase(Base):
        def scaled(self, x):
            return x - self.base_scale

    class Net(Base):
        class_scale = 2.0
        factor = 7.0
        other_base = OtherBase

        def __init__(self):
            super().__init__()
            self.linear = nn.Linear(4, 4)
            self.weight = nn.Parameter(torch.arange(16.0).reshape(4, 4) / 16)
            self.register_buffer("shift", torch.arange(4.0))
            self.factor = 3.0
            self.table = {"a": 1.0, "b": 2.0}
            self.rows = [1.0, 2.0]

        def forward(self, x):
            y = self.linear(x) @ self.weight + self.shift
            return self.scaled(y) * self.factor * self.class_scale * self.table["a"] + self.rows[0]

    return Net()


def outcome(call, *args):
    try:
        result = call(*args)
    except Exception as error:  # noqa: BLE001 - compared with eager's
        return type(error), str(error).splitlines()[0]
    return result.dtype, result.stride(), result.requires_grad, result.detach().double().tolist()


def check_like_eager(net, *args):
    expected = outcome(lambda *a: nn.Module._call_impl(net, *a), *args)
    actual = outcome(net, *args)
    assert actual[:-1] == expected[:-1]
    if isinstance(expected[-1], str):
        assert actual == expected
    else:
        torch.testing.assert_close(torch.tensor(actual[-1]), torch.tensor(expected[-1]), rtol=1e-5, atol=1e-5)


@case
def attribute_set(net):
    net.factor = 5.0


@case
def attribute_deleted(net):
    del net.factor


@case
def attribute_set_behind_the_module(net):
    object.__setattr__(net, "factor", 5.0)


@case
def attribute_written_through_its_dict(net):
    vars(net)["factor"] = 5.0


@case
def attribute_of_another_type(net):
    net.factor = torch.full((4,), 2.0)


@case
def dict_replaced(net):
    net.__dict__ = dict(net.__dict__, factor=5.0)


@case
def dict_replaced_by_an_equal_one_then_written(net):
    net.__dict__ = dict(net.__dict__)
    net.factor = 5.0


@case
def item_set(net):
    net.table["a"] = 4.0


@case
def dict_cleared(net):
    net.table.clear()


@case
def dict_of_the_module_cleared(net):
    net._buffers.clear()


@case
def list_item_set(net):
    net.rows[0] = 9.0


@case
def list_reversed(net):
    net.rows.reverse()


@case
def parameter_replaced(net):
    net.weight = nn.Parameter(torch.ones(4, 4))


@case
def parameter_replaced_in_the_dict(net):
    net._parameters["weight"] = nn.Parameter(torch.ones(4, 4))


@case
def parameter_removed(net):
    del net.weight


@case
def parameter_data_set(net):
    net.weight.data = torch.ones(4, 4)


@case
def parameter_data_of_another_layout(net):
    net.weight.data = torch.arange(16.0).reshape(4, 4).t()


@case
def parameter_data_of_another_dtype(net):
    net.weight.data = torch.ones(4, 4, dtype=torch.float64)


@case
def parameter_data_of_another_size(net):
    net.weight.data = torch.ones(4, 6)


@case
def parameter_data_with_an_offset(net):
    net.weight.data = torch.arange(20.0)[4:].view(4, 4)


@case
def parameter_written(net):
    with torch.no_grad():
        net.weight.mul_(2)


@case
def parameter_transposed_in_place(net):
    with torch.no_grad():
        net.weight.t_()


@case
def parameter_restrided_in_place(net):
    with torch.no_grad():
        net.weight.as_strided_((4, 4), (0, 1))


@case
def buffer_resized(net):
    net.shift.resize_(1)


@case
def buffer_unsqueezed(net):
    net.shift.unsqueeze_(0)


@case
def buffer_set_to_another(net):
    net.shift.set_(torch.full((4,), 8.0))


@case
def buffer_set_further_on(net):
    net.shift.set_(torch.arange(8.0).untyped_storage(), 3, (4,), (1,))


@case
def buffer_of_another_device(net):
    net.shift = net.shift.to("meta")


@case
def gradient_no_longer_required(net):
    net.requires_grad_(False)


@case
def gradient_of_a_buffer_required(net):
    net.shift.requires_grad_(True)


@case
def buffer_conjugated(net):
    net.shift = torch.complex(net.shift, net.shift + 1).conj()


@case
def swapped_with_another(net):
    torch.utils.swap_tensors(net.weight, nn.Parameter(torch.ones(4, 4)))


@case
def class_of_the_parameter(net):
    class Doubled(nn.Parameter):
        @classmethod
        def __torch_function__(cls, function, types, args=(), kwargs=None):
            result = super().__torch_function__(function, types, args, kwargs or {})
            return result * 2 if function is torch.Tensor.__rmatmul__ or "matmul" in str(function) else result

    net.weight.__class__ = Doubled


@case
def class_attribute_set(net):
    type(net).class_scale = 4.0


@case
def class_attribute_shadowed(net):
    net.class_scale = 4.0


@case
def class_attribute_of_the_base(net):
    type(net).__mro__[1].base_scale = 4.0


@case
def method_replaced(net):
    type(net).scaled = lambda self, x: x + 1


@case
def method_replaced_on_the_instance(net):
    net.scaled = lambda x: x + 1


@case
def forward_replaced(net):
    type(net).forward = lambda self, x: x * self.factor


@case
def code_of_a_method_replaced(net):
    type(net).scaled.__code__ = (lambda self, x: x - self.base_scale).__code__


@case
def base_class_replaced(net):
    type(net).__bases__ = (net.other_base,)


@case
def class_replaced(net):
    class Other(type(net)):
        def scaled(self, x):
            return x - 1

    net.__class__ = Other


@case
def descriptor_placed_over_an_attribute(net):
    type(net).factor = property(lambda self: 11.0)


@case
def getattribute_defined(net):
    def look(self, name):
        return 13.0 if name == "factor" else object.__getattribute__(self, name)

    type(net).__getattribute__ = look


@case
def module_of_another_dtype(net):
    net.double()


@case
def module_of_another_dtype_and_back(net):
    net.half().float()


@case
def module_on_another_device(net):
    net.to("meta")


@case
def inner_module_replaced(net):
    net.linear = nn.Linear(4, 4, bias=False)


@case
def inner_module_without_bias(net):
    net.linear.bias = None


@case
def forward_hook(net):
    net.linear.register_forward_hook(lambda module, args, out: out + 1)


@case
def state_loaded(net):
    net.load_state_dict({name: torch.full_like(value, 0.5) for name, value in net.state_dict().items()})


@case
def state_assigned(net):
    state = {name: torch.full_like(value, 0.5) for name, value in net.state_dict().items()}
    net.load_state_dict(state, assign=True)


@case
def weight_parametrized(net):
    class Negated(nn.Module):
        def forward(self, weight):
            return -weight

    nn.utils.parametrize.register_parametrization(net.linear, "weight", Negated())


def warm(net, *args):
    compiled = braze.compile(net)
    for _ in range(5):
        check_like_eager(compiled, *args)
    return compiled


@pytest.mark.parametrize("gradients", [False, True], ids=["no_grad", "grad"])
@pytest.mark.parametrize("name", CASES)
def test_change(name, gradients):
    net = make_net()
    x = torch.arange(8.0).view(2, 4)
    with torch.set_grad_enabled(gradients):
        net = warm(net, x)
        if not gradients:
            assert [entry.state for entry in net._compiled_call_impl.entries] == ["compiled"]
            assert net._compiled_call_impl.entries[0].compiled_calls > 0
        CASES[name](net)
        for _ in range(4):
            check_like_eager(net, x)


WRITES = {
    "factor": lambda net: setattr(net, "factor", 8.0),
    "weight": lambda net: net.weight.zero_(),
    "shift": lambda net: net.shift.add_(1),
    "linear": lambda net: net.linear.weight.zero_(),
    "table": lambda net: net.table.update(a=8.0),
}


@torch.no_grad()
@pytest.mark.parametrize("name", WRITES)
def test_deleted_and_set_again_to_what_it_was(name):
    net, x = warm(make_net(), torch.ones(2, 4)), torch.ones(2, 4)
    kept = getattr(net, name)
    delattr(net, name)
    check_like_eager(net, x)
    if name == "shift":
        net.register_buffer(name, kept)
    else:
        setattr(net, name, kept)
    for _ in range(3):
        check_like_eager(net, x)
    WRITES[name](net)
    for _ in range(3):
        check_like_eager(net, x)


@torch.no_grad()
def test_there_and_back_many_times():
    net, x = warm(make_net(), torch.ones(2, 4)), torch.ones(2, 4)
    weights = [net.weight, nn.Parameter(torch.eye(4))]
    for round_ in range(12):
        net.weight = weights[round_ % 2]
        net.factor = float(round_ % 3)
        net.shift.set_(torch.full((4,), float(round_)))
        check_like_eager(net, x)
        net.weight.data = net.weight.data.clone().t() if round_ % 4 == 3 else net.weight.data
        check_like_eager(net, x)


@torch.no_grad()
def test_copy_is_of_its_own():
    net, x = warm(make_net(), torch.ones(2, 4)), torch.ones(2, 4)
    other = copy.deepcopy(net)
    other.weight.zero_()
    other.factor = 9.0
    for _ in range(3):
        check_like_eager(net, x)
        check_like_eager(other, x)


@torch.no_grad()
def test_tensor_of_many_dims_keeps_its_sizes_elsewhere():
    class Deep(nn.Module):
        def __init__(self):
            super().__init__()
            self.register_buffer("deep", torch.arange(64.0).view(2, 2, 2, 2, 2, 2))

        def forward(self, x):
            return x * self.deep

    net = warm(Deep(), torch.ones(2))
    for change in (
        lambda: net.deep.transpose_(0, 5),
        lambda: net.deep.resize_(1, 2, 2, 2, 2, 2),
        lambda: setattr(net.deep, "data", torch.arange(64.0).view(2, 1, 2, 1, 16, 1)),
    ):
        change()
        for _ in range(3):
            check_like_eager(net, torch.ones(2))


def set_gradient(tensor):
    tensor.grad = torch.ones_like(tensor)


# What Python can ask of a tensor that no operator reads, and a change of the answer.
FACTS = {
    "storage_offset": (
        lambda w: w.storage_offset(),
        lambda w: w.set_(torch.arange(9.0).untyped_storage(), 3, (4,), (1,)),
    ),
    "number of elements": (lambda w: w.numel(), lambda w: w.resize_(2)),
    "strides": (lambda w: w.stride(0), lambda w: w.as_strided_((4,), (0,))),
    "element size": (lambda w: w.element_size(), lambda w: setattr(w, "data", torch.ones(4, dtype=torch.float64))),
    "shared memory": (lambda w: w.is_shared(), lambda w: w.share_memory_()),
    "same memory": (lambda w: w.is_set_to(OTHER), lambda w: w.set_(OTHER)),
    "requires grad": (lambda w: w.requires_grad, lambda w: w.requires_grad_()),
    "gradient": (lambda w: w.grad is None, set_gradient),
    "gradient by its other name": (lambda w: w._grad is None, set_gradient),
    "hooks": (lambda w: not w._backward_hooks, lambda w: w.requires_grad_().register_hook(lambda grad: grad)),
    "hooks after accumulation": (
        lambda w: not w._post_accumulate_grad_hooks,
        lambda w: w.requires_grad_().register_post_accumulate_grad_hook(lambda param: None),
    ),
    "attribute": (lambda w: getattr(w, "mark", 1), lambda w: setattr(w, "mark", 5)),
}
OTHER = torch.ones(4)


@torch.no_grad()
@pytest.mark.parametrize("name", FACTS)
def test_fact_that_no_operator_reads(name):
    fact, change = FACTS[name]
    weight = torch.ones(4)

    def plain(x):
        return x * (1 + int(fact(weight)))

    compiled, x = braze.compile(plain), torch.arange(3.0)
    for _ in range(5):
        torch.testing.assert_close(compiled(x), plain(x))
    before = plain(x)
    change(weight)
    assert not torch.equal(plain(x), before), "the change shows"
    for _ in range(4):
        torch.testing.assert_close(compiled(x), plain(x))
