"""Whole models, random weights: outputs equal eager's, and the language models are captured as one entry."""

import copy

import pytest
import torch
from eager_equality import Observer, differences
from model_samples import MODELS, call, made
from outcomes import faults, outcome, reasons
from torch import nn

import braze

pytestmark = pytest.mark.usefixtures("entries_always_used")
BATCHES = (1, 3)
CALLS = 5


def observed(function, inputs):
    return Observer().observe(call(function, inputs))


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.name)
@pytest.mark.parametrize("mode", ["no_grad", "inference"])
def test_model(model, mode, tally):
    eager, compiled = made(model), braze.compile(made(model))
    with torch.inference_mode(mode == "inference"), torch.no_grad():
        for batch in BATCHES:
            inputs = model.inputs(batch)
            expected = observed(eager, inputs)
            for number in range(1, CALLS + 1):
                complaints = differences(expected, observed(compiled, inputs), slack=20)
                assert not complaints, f"batch {batch}, call {number}: {complaints[:4]}"
    assert not faults(compiled), faults(compiled)
    report = braze.explain(compiled).report
    tally("models", **{outcome(compiled) if report.entries or not report.children else "split": 1})
    if model.whole:
        assert len(report.entries) == len(BATCHES), (reasons(compiled), repr(braze.explain(compiled)))
        assert not report.children
        assert report.refusals == ()


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float64])
def test_language_model_in_other_dtypes(dtype):
    model = next(model for model in MODELS if model.name == "llama")
    eager, compiled = made(model).to(dtype), braze.compile(made(model).to(dtype))
    inputs = model.inputs(2)
    with torch.no_grad():
        expected = observed(eager, inputs)
        for _ in range(CALLS):
            complaints = differences(expected, observed(compiled, inputs), slack=20)
            assert not complaints, complaints[:4]


def test_training_still_works():
    model = next(model for model in MODELS if model.name == "mlp")
    eager, compiled = made(model).train(), braze.compile(made(model).train())
    for _ in range(CALLS):
        gradients = []
        for net in (eager, compiled):
            torch.manual_seed(3)
            net.zero_grad()
            call(net, model.inputs(4)).square().sum().backward()
            gradients.append([parameter.grad for parameter in net.parameters()])
        for mine, theirs in zip(*gradients):
            torch.testing.assert_close(mine, theirs)


def test_cached_decoding():
    from transformers import LlamaConfig, LlamaForCausalLM

    config = LlamaConfig(
        vocab_size=64, hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=2,
        num_key_value_heads=2, max_position_embeddings=64,
    )  # fmt: skip
    torch.manual_seed(0)
    eager = LlamaForCausalLM(config).eval()
    torch.manual_seed(0)
    compiled = braze.compile(LlamaForCausalLM(config).eval())
    prompt = torch.tensor([[1, 7, 9, 3]])
    wanted = eager.generate(prompt, max_new_tokens=12, do_sample=False, pad_token_id=0)
    assert compiled.generate(prompt, max_new_tokens=12, do_sample=False, pad_token_id=0).tolist() == wanted.tolist()


@pytest.mark.parametrize("norm_first", [False, True])
@pytest.mark.parametrize("activation", ["relu", "gelu"])
def test_layers_that_pytorch_runs_as_one_call(norm_first, activation):
    torch.manual_seed(0)
    layer = nn.TransformerEncoderLayer(32, 4, 64, batch_first=True, norm_first=norm_first, activation=activation)
    eager = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False).eval()
    compiled = braze.compile(copy.deepcopy(eager))
    padding = torch.arange(6) > torch.tensor([[5], [3]])
    with torch.no_grad():
        for _ in range(CALLS):
            x = torch.randn(2, 6, 32)
            torch.testing.assert_close(compiled(x), eager(x), rtol=1e-5, atol=1e-5)
        (entry,) = braze.explain(compiled).report.entries
        assert entry.kernels
        assert "aten::_transformer_encoder_layer_fwd" not in [call.op for call in entry.externs]
        for _ in range(CALLS):
            masked = compiled(x, src_key_padding_mask=padding), eager(x, src_key_padding_mask=padding)
            torch.testing.assert_close(*masked, rtol=1e-5, atol=1e-5)


def test_self_attention_that_pytorch_runs_as_one_call():
    attention = nn.MultiheadAttention(32, 4, batch_first=True).eval()
    compiled = braze.compile(lambda x: attention(x, x, x, need_weights=False)[0] * 2)
    with torch.no_grad():
        for _ in range(CALLS):
            x = torch.randn(2, 6, 32)
            wanted = attention(x, x, x, need_weights=False)[0] * 2
            torch.testing.assert_close(compiled(x), wanted, rtol=1e-5, atol=1e-5)
    (entry,) = braze.explain(compiled).report.entries
    assert "aten::_native_multi_head_attention" not in [call.op for call in entry.externs]
