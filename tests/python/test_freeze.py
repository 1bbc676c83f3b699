"""freeze=True: results equal eager's, and no way to change a weight leaves a stale one in use."""

import copy
import gc
import os
import re
import subprocess
import sys
import threading

import numpy
import pytest
import torch
from eager_equality import Observer, differences
from model_samples import MODELS, call, made
from outcomes import faults
from torch import nn
from torch.nn import functional as F

import braze

pytestmark = pytest.mark.usefixtures("entries_always_used")
CALLS = 5
TOLERANCE = {torch.float32: 2e-5, torch.bfloat16: 3e-2, torch.float64: 1e-12}


def frozen(model, **options):
    return braze.compile(model, freeze=True, **options)


def freezing_lines(model):
    return [entry.freezing for entry in braze.explain(model).report.entries]


def assert_close(actual, expected, tolerance=None):
    assert actual.dtype == expected.dtype and actual.shape == expected.shape and actual.stride() == expected.stride()
    tolerance = tolerance or TOLERANCE[expected.dtype]
    largest = float(expected.double().abs().max())
    assert float((actual.double() - expected.double()).abs().max()) <= tolerance * max(largest, 1e-3)


def check(model, *inputs, applies=True, calls=CALLS):
    """Every call of the frozen model gives what a copy gives eagerly; the frozen model is returned."""
    model = model.eval()
    eager, compiled = copy.deepcopy(model), frozen(model)
    with torch.no_grad():
        expected = eager(*inputs)
        for _ in range(calls):
            assert_close(compiled(*inputs), expected)
    assert not faults(compiled), faults(compiled)
    assert len(braze.explain(compiled).report.entries) == 1, repr(braze.explain(compiled))
    assert freezing_lines(compiled)[0].startswith("frozen: ") == applies, freezing_lines(compiled)
    return compiled


def with_statistics(model):
    """Running statistics and affine parameters that are no identity."""
    for module in model.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.running_mean.normal_()
            module.running_var.uniform_(0.5, 2)
            if module.affine:
                nn.init.normal_(module.weight)
                nn.init.normal_(module.bias)
    return model


def conv_net(convolution=nn.Conv2d, norm=nn.BatchNorm2d, activation=nn.ReLU, **options):
    return with_statistics(
        nn.Sequential(
            convolution(4, 8, 3, padding=1, **options),
            norm(8),
            activation(),
            convolution(8, 8, 3, bias=False),
            norm(8),
        )
    )


class Residual(nn.Module):
    def __init__(self, activation=F.relu, channels=16):
        super().__init__()
        self.activation = activation
        self.first = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(channels)
        self.second = nn.Conv2d(channels, channels, 1)
        self.shortcut = nn.Conv2d(channels, channels, 1, bias=False)

    def forward(self, x):
        y = self.norm(self.first(x))
        y += self.shortcut(x)
        y = self.activation(y)
        return self.activation(self.second(y) + y)


class Block(nn.Module):
    def __init__(self, width=32, heads=4):
        super().__init__()
        self.heads = heads
        self.norm, self.qkv = nn.LayerNorm(width), nn.Linear(width, 3 * width)
        self.out, self.norm2 = nn.Linear(width, width, bias=False), nn.LayerNorm(width)
        self.up, self.down = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x):
        q, k, v = self.qkv(self.norm(x)).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        y = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)
        x = x + self.out(y)
        return x + self.down(F.gelu(self.up(self.norm2(x))))


@pytest.fixture(autouse=True)
def same_numbers():
    torch.manual_seed(0)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64])
@pytest.mark.parametrize("batch", [1, 3])
def test_convolutions_with_norms(dtype, batch):
    check(conv_net().to(dtype), torch.randn(batch, 4, 12, 12, dtype=dtype))


@pytest.mark.parametrize(
    "activation", [nn.ReLU, nn.Hardswish, nn.Hardsigmoid, nn.SiLU, nn.Sigmoid, nn.ReLU6, nn.LeakyReLU, nn.GELU, nn.ELU]
)
def test_activations_after_convolutions(activation):
    check(conv_net(activation=activation), torch.randn(2, 4, 16, 16))


def test_in_place_activations():
    check(conv_net(activation=lambda: nn.ReLU(inplace=True)), torch.randn(2, 4, 12, 12))
    check(conv_net(activation=lambda: nn.Hardtanh(-1, 2, inplace=True)), torch.randn(2, 4, 12, 12))


@pytest.mark.parametrize("activation", [F.relu, F.silu, torch.tanh, lambda x: x])
@pytest.mark.parametrize("size", [1, 9])
def test_residuals(activation, size):
    check(with_statistics(Residual(activation)), torch.randn(2, 16, size, size))


@pytest.mark.parametrize("name", ["resnet18", "mobilenet", "unet", "vit", "bert"])
def test_models(name):
    model = next(model for model in MODELS if model.name == name)
    eager, compiled = made(model), frozen(made(model))
    for batch in (1, 2):
        inputs = model.inputs(batch)
        with torch.no_grad():
            expected = Observer().observe(call(eager, inputs))
            for _ in range(CALLS):
                complaints = differences(expected, Observer().observe(call(compiled, inputs)), slack=20)
                assert not complaints, complaints[:4]
    assert not faults(compiled), faults(compiled)
    assert all(line.startswith("frozen: ") for line in freezing_lines(compiled)), freezing_lines(compiled)


def test_an_input_that_is_channels_last():
    check(conv_net(), torch.randn(2, 4, 12, 12).contiguous(memory_format=torch.channels_last))


@pytest.mark.parametrize("options", [{"groups": 4}, {"dilation": 2}, {"stride": 2}, {"groups": 2, "stride": 2}])
def test_kinds_of_convolutions(options):
    model = with_statistics(nn.Sequential(nn.Conv2d(4, 8, 3, padding=2, **options), nn.BatchNorm2d(8), nn.ReLU()))
    check(model, torch.randn(2, 4, 14, 14))


def test_depthwise_and_pointwise():
    model = nn.Sequential(
        nn.Conv2d(8, 8, 5, padding=2, groups=8, bias=False), nn.BatchNorm2d(8), nn.Hardswish(), nn.Conv2d(8, 24, 1)
    )
    check(with_statistics(model), torch.randn(1, 8, 28, 28))


def test_one_and_three_dimensions():
    check(conv_net(nn.Conv1d, nn.BatchNorm1d), torch.randn(2, 4, 30))
    check(conv_net(nn.Conv3d, nn.BatchNorm3d), torch.randn(2, 4, 6, 6, 6))


@pytest.mark.parametrize("groups", [1, 2])
def test_transposed_convolution(groups):
    model = nn.Sequential(nn.ConvTranspose2d(4, 6, 3, stride=2, groups=groups), nn.BatchNorm2d(6), nn.ReLU())
    check(with_statistics(model), torch.randn(2, 4, 7, 7), applies=True)


def test_norm_without_parameters_and_norm_first():
    model = nn.Sequential(
        nn.BatchNorm2d(4),
        nn.ReLU(),
        nn.Conv2d(4, 6, 3),
        nn.BatchNorm2d(6, affine=False),
        nn.Flatten(),
        nn.Linear(600, 3),
    )
    check(with_statistics(model), torch.randn(2, 4, 12, 12))


def test_what_convolutions_make_is_read_in_other_ways():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b = nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(8, 8, 3, padding=1)

        def forward(self, x):
            y = F.relu(self.a(x))
            left, right = y.chunk(2, 1)
            z = self.b(torch.cat([right, left], 1))
            z = F.max_pool2d(z, 2) + F.avg_pool2d(y, 2)
            tokens = z.flatten(2).transpose(1, 2).contiguous()
            return torch.softmax(tokens @ tokens.transpose(1, 2), -1).sum(-1) + z.mean((2, 3)).sum(1, keepdim=True)

    check(Net(), torch.randn(2, 3, 12, 12))


def test_a_convolution_whose_result_is_returned_and_used():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b = nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(8, 4, 3)

        def forward(self, x):
            y = self.a(x)
            return y, self.b(torch.relu(y)), y.permute(0, 2, 3, 1)

    eager, x = Net().eval(), torch.randn(2, 3, 12, 12)
    compiled = frozen(copy.deepcopy(eager))
    with torch.no_grad():
        for _ in range(CALLS):
            for actual, expected in zip(compiled(x), eager(x)):
                assert_close(actual, expected)
    assert not faults(compiled)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_multilayer_perceptron(dtype):
    model = nn.Sequential(nn.Linear(96, 128), nn.ReLU(), nn.Linear(128, 64), nn.GELU(), nn.Linear(64, 10, bias=False))
    eager, compiled = model.to(dtype), frozen(copy.deepcopy(model).to(dtype))
    with torch.no_grad():
        for rows in (1, 7, 64):
            x = torch.randn(rows, 96, dtype=dtype)
            for _ in range(CALLS):
                assert_close(compiled(x), eager(x))
    assert not faults(compiled)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("batch", [1, 2])
def test_transformer_block(dtype, batch):
    model = Block().to(dtype).eval()
    eager, compiled = copy.deepcopy(model), frozen(model)
    x = torch.randn(batch, 10, 32, dtype=dtype)
    with torch.no_grad():
        for _ in range(CALLS):
            assert_close(compiled(x), eager(x))
    assert not faults(compiled)


def test_arithmetic_on_weights_is_done_once():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight, self.scale = nn.Parameter(torch.randn(8, 16)), nn.Parameter(torch.randn(8, 1))

        def forward(self, x):
            weight = F.softmax(self.weight, -1) * self.scale.exp()
            return torch.mm(x, weight.t())

    compiled = check(Net(), torch.randn(5, 16))
    assert "constants folded" in freezing_lines(compiled)[0]
    entry = braze.explain(compiled).report.entries[0]
    assert all(kernel.ops == ("aten::mm",) for kernel in entry.kernels)


def test_weights_cast_by_autocast():
    model = nn.Sequential(nn.Linear(64, 64), nn.Linear(64, 64)).eval()
    eager, compiled, x = copy.deepcopy(model), frozen(model), torch.randn(8, 64)
    with torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16):
        for _ in range(CALLS):
            assert_close(compiled(x), eager(x))


def test_norm_in_training_is_not_folded():
    model = conv_net().train()
    eager, compiled, x = copy.deepcopy(model), frozen(model), torch.randn(4, 4, 12, 12)
    with torch.no_grad():
        for _ in range(CALLS):
            assert_close(compiled(x), eager(x))
            assert_close(compiled[1].running_mean, eager[1].running_mean)
            assert_close(compiled[4].running_var, eager[4].running_var)
        eager.eval(), compiled.eval()
        for _ in range(CALLS):
            assert_close(compiled(x), eager(x))
        eager.train(), compiled.train()
        assert_close(compiled(x), eager(x))
        eager.eval(), compiled.eval()
        assert_close(compiled(x), eager(x))
    assert not faults(compiled)


# Ways to change a weight.


def in_place(model):
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.25)


def replaced(model):
    model[0].weight = nn.Parameter(model[0].weight.detach() * 2)


def data_replaced(model):
    for parameter in model.parameters():
        parameter.data = parameter.data * 1.5


def data_written(model):
    for parameter in model.parameters():
        parameter.data.mul_(1.5)


def data_copied(model):
    for parameter in model.parameters():
        parameter.data.copy_(torch.full_like(parameter, 0.125))


def through_detach(model):
    for parameter in model.parameters():
        parameter.detach().mul_(3)


def through_numpy(model):
    for parameter in model.parameters():
        numpy.multiply(parameter.detach().numpy(), 2, out=parameter.detach().numpy())


def loaded(model):
    model.load_state_dict({name: tensor * 0.5 + 0.1 for name, tensor in model.state_dict().items()})


def loaded_by_assignment(model):
    model.load_state_dict({name: tensor * 0.5 + 0.1 for name, tensor in model.state_dict().items()}, assign=True)


def averaged(model):
    other = copy.deepcopy(model)
    in_place(other)
    with torch.no_grad():
        for parameter, latest in zip(model.parameters(), other.parameters()):
            parameter.lerp_(latest, 0.5)


def optimized(model):
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with torch.enable_grad():
        for parameter in model.parameters():
            parameter.grad = torch.ones_like(parameter)
    optimizer.step()


def storage_replaced(model):
    for parameter in model.parameters():
        parameter.set_(parameter.detach().clone() * 2)


WAYS = [
    in_place,
    replaced,
    data_replaced,
    data_written,
    data_copied,
    through_detach,
    through_numpy,
    loaded,
    loaded_by_assignment,
    averaged,
    optimized,
    storage_replaced,
]


@pytest.mark.parametrize("change", WAYS, ids=lambda change: change.__name__)
@pytest.mark.parametrize("kind", ["linear", "convolution"])
def test_changed_weights(change, kind):
    def make():
        torch.manual_seed(1)
        if kind == "linear":
            return nn.Sequential(nn.Linear(48, 64), nn.ReLU(), nn.Linear(64, 32)), torch.randn(9, 48)
        return nn.Sequential(nn.Conv2d(4, 8, 3), nn.ReLU(), nn.Conv2d(8, 8, 3)), torch.randn(2, 4, 12, 12)

    (model, x), (eager, _) = make(), make()
    compiled = frozen(model)
    with torch.no_grad():
        for _ in range(CALLS):
            assert_close(compiled(x), eager(x))
        for _ in range(3):
            torch.manual_seed(2), change(compiled)
            torch.manual_seed(2), change(eager)
            for _ in range(CALLS):
                assert_close(compiled(x), eager(x))
    assert not faults(compiled), faults(compiled)


def test_running_statistics_that_change():
    model = conv_net().eval()
    eager, compiled, x = copy.deepcopy(model), frozen(model), torch.randn(2, 4, 12, 12)
    with torch.no_grad():
        for _ in range(CALLS):
            assert_close(compiled(x), eager(x))
        for net in (eager, compiled):
            net[1].running_mean.add_(1)
            net[4].running_var.mul_(2)
        for _ in range(CALLS):
            assert_close(compiled(x), eager(x))


def test_one_number_written_behind_the_counter_is_found():
    model = nn.Linear(256, 256).eval()
    compiled, x = frozen(model, products="library"), torch.randn(4, 256)
    with torch.no_grad():
        for _ in range(CALLS):
            compiled(x)
        if not freezing_lines(compiled)[0].startswith("frozen"):
            pytest.skip("the weight is read as it is on this machine")
        model.weight.detach().numpy()[101, 77] += 50
        results = [compiled(x) for _ in range(300)]
        assert_close(results[-1], F.linear(x, model.weight, model.bias))


def test_weights_that_move_or_need_gradients():
    model = nn.Sequential(nn.Linear(32, 32), nn.ReLU(), nn.Linear(32, 8))
    eager, compiled, x = copy.deepcopy(model), frozen(model), torch.randn(4, 32)
    with torch.no_grad():
        for _ in range(CALLS):
            assert_close(compiled(x), eager(x))
        compiled.requires_grad_(False), eager.requires_grad_(False)
        for _ in range(CALLS):
            assert_close(compiled(x), eager(x))
        compiled.double(), eager.double()
        for _ in range(CALLS):
            assert_close(compiled(x.double()), eager(x.double()))
        compiled.float().share_memory(), eager.float()
        for _ in range(CALLS):
            assert_close(compiled(x), eager(x))
    compiled.requires_grad_(True), eager.requires_grad_(True)
    compiled(x).sum().backward(), eager(x).sum().backward()
    assert_close(compiled[0].weight.grad, eager[0].weight.grad)
    assert not faults(compiled)


def test_a_weight_that_is_also_an_argument():
    weight = torch.randn(32, 32)

    def product(x, other):
        return torch.mm(x, weight) + other.sum()

    compiled, x = braze.compile(product, freeze=True), torch.randn(4, 32)
    with torch.no_grad():
        for _ in range(CALLS):
            assert_close(compiled(x, weight), product(x, weight))
        weight.add_(1)
        for _ in range(CALLS):
            assert_close(compiled(x, weight), product(x, weight))


def test_a_weight_the_call_writes():
    class Counter(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(torch.randn(16, 16))
            self.register_buffer("state", torch.zeros(16, 16))

        def forward(self, x):
            self.state.add_(self.weight)
            return torch.mm(x, self.state) + torch.mm(x, self.weight)

    eager, compiled, x = Counter(), frozen(Counter()), torch.randn(4, 16)
    compiled.load_state_dict(eager.state_dict())
    with torch.no_grad():
        for _ in range(CALLS):
            assert_close(compiled(x), eager(x))


def test_weights_that_keep_changing_are_no_longer_packed():
    model = nn.Sequential(nn.Conv2d(4, 8, 3), nn.ReLU(), nn.Conv2d(8, 8, 3)).eval()
    eager, compiled, x = copy.deepcopy(model), frozen(model), torch.randn(2, 4, 12, 12)
    with torch.no_grad():
        for _ in range(8):
            for _ in range(4):
                assert_close(compiled(x), eager(x))
            in_place(compiled), in_place(eager)
        for _ in range(4):
            assert_close(compiled(x), eager(x))
    assert freezing_lines(compiled) == ["not frozen: its weights keep changing"]


def test_entries_with_changed_weights_are_let_go():
    model = conv_net().eval()
    compiled, x = frozen(model), torch.randn(2, 4, 12, 12)
    with torch.no_grad():
        for _ in range(CALLS):
            compiled(x)
        in_place(model)
        for _ in range(CALLS):
            compiled(x)
    gc.collect()
    assert len(braze.explain(compiled).report.entries) == 1
    assert len(model._compiled_call_impl.entries) == 1


def test_threads():
    model = with_statistics(nn.Sequential(conv_net(), Residual(channels=8), nn.Flatten(), nn.Linear(800, 5))).eval()
    eager, compiled, x = copy.deepcopy(model), frozen(model), torch.randn(2, 4, 12, 12)
    with torch.no_grad():
        expected = eager(x)
        for _ in range(CALLS):
            compiled(x)
    wrong = []

    def work():
        with torch.no_grad():
            for _ in range(30):
                try:
                    assert_close(compiled(x), expected)
                except Exception as error:
                    wrong.append(error)

    workers = [threading.Thread(target=work) for _ in range(2)]
    [worker.start() for worker in workers]
    [worker.join() for worker in workers]
    assert not wrong, wrong[0]


def test_the_module_stays_what_it_was():
    model = conv_net().eval()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    compiled, x = frozen(model), torch.randn(2, 4, 12, 12)
    with torch.no_grad():
        for _ in range(CALLS):
            result = compiled(x)
        assert compiled.state_dict().keys() == before.keys()
        assert all(torch.equal(tensor, before[name]) for name, tensor in compiled.state_dict().items())
        twin = copy.deepcopy(compiled)
        in_place(twin)
        assert_close(compiled(x), result)
        assert not torch.allclose(twin(x), result)


def test_explain_says_what_was_done():
    compiled = check(conv_net(), torch.randn(2, 4, 40, 40))
    line = freezing_lines(compiled)[0]
    assert re.match(r"frozen: .*constants folded; \d+\.\d MB kept beside the weights; \d+ tensors checked", line), line
    assert line in repr(braze.explain(compiled))
    assert line in braze.explain(compiled)._repr_html_()


def test_explain_says_what_freezing_would_look_at():
    model = braze.compile(nn.Sequential(nn.Conv2d(4, 8, 3), nn.Flatten(), nn.Linear(800, 5)))
    with torch.no_grad():
        for _ in range(CALLS):
            model(torch.randn(2, 4, 12, 12))
    assert "freeze=True would look at the weights of 1 linear layers and 1 convolutions" in repr(braze.explain(model))


def test_nothing_to_freeze():
    compiled = braze.compile(lambda x: torch.relu(x) + 1, freeze=True)
    for _ in range(CALLS):
        assert_close(compiled(torch.ones(100)), torch.full((100,), 2.0))
    assert freezing_lines(compiled) == [""]


ASKS = """
import torch, braze
torch.set_num_threads(1)
torch.manual_seed(0)
model, x = torch.nn.Conv2d(3, 32, 3).eval(), torch.randn(2, 3, 8, 8)
compiled = braze.compile(model.forward, freeze=True)
with torch.no_grad():
    for _ in range(4):
        assert torch.allclose(compiled(x), model(x), atol=1e-5)
print(braze.cache.info()["stored"])
"""


def test_a_second_process_repeats_no_trial(tmp_path):
    stored = []
    for _ in range(2):
        environment = {**os.environ, "BRAZE_CACHE_DIR": str(tmp_path)}
        run = subprocess.run([sys.executable, "-c", ASKS], env=environment, capture_output=True, text=True, check=True)
        stored.append(int(run.stdout))
    assert stored[0] > 0 and stored[1] == 0, stored
    assert any(b"convolution on " in file.read_bytes() for file in tmp_path.iterdir())
