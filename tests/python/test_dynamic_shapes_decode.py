"""Language models of transformers, decoding token by token: a few traces answer every step, with eager's logits."""

import pytest
import torch

import braze

transformers = pytest.importorskip("transformers")

pytestmark = pytest.mark.usefixtures("entries_always_used")

STEPS = 200


def llama():
    config = transformers.LlamaConfig(
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        vocab_size=96,
        max_position_embeddings=512,
        bos_token_id=0,
        eos_token_id=1,
    )
    return transformers.LlamaForCausalLM(config)


def gpt2():
    config = transformers.GPT2Config(
        n_embd=32, n_layer=2, n_head=4, vocab_size=96, n_positions=512, bos_token_id=0, eos_token_id=1
    )
    return transformers.GPT2LMHeadModel(config)


MODELS = {"llama": llama, "gpt2": gpt2}
CACHES = {
    "dynamic": lambda config: transformers.DynamicCache(config=config),
    "static": lambda config: transformers.StaticCache(config=config, max_cache_len=256),
}


@pytest.fixture(params=MODELS)
def model(request):
    torch.manual_seed(0)
    return MODELS[request.param]().eval().requires_grad_(False)


def decode(step, cache, steps, prompt=5):
    """The logits of each step, the tokens chosen by eager's."""
    tokens = torch.arange(2, 2 + prompt)[None]
    for _ in range(steps):
        logits = step(tokens, cache)
        yield logits
        tokens = logits[:, -1:].argmax(-1)


@pytest.mark.parametrize("kind", CACHES)
def test_decode(model, kind):
    def step(tokens, cache):
        return model(input_ids=tokens, past_key_values=cache, use_cache=True).logits

    compiled = braze.compile(step)
    plain, ours = CACHES[kind](model.config), CACHES[kind](model.config)
    tokens = torch.arange(2, 7)[None]
    for number in range(STEPS):
        want, have = step(tokens, plain), compiled(tokens, ours)
        assert torch.allclose(want, have, atol=1e-5), f"step {number}"
        tokens = want[:, -1:].argmax(-1)
    for a, b in zip(plain.layers, ours.layers):
        assert torch.allclose(a.keys, b.keys, atol=1e-5)
        assert torch.allclose(a.values, b.values, atol=1e-5)
        assert (type(b.keys), a.get_seq_length()) == (torch.Tensor, b.get_seq_length())
    report = braze.explain(compiled).report
    assert len(report.entries) <= 3
    assert compiled.counters["misses"] <= 6, braze.explain(compiled)
    assert sum(entry.hits for entry in report.entries) >= STEPS - 6
    if kind == "dynamic":  # another request, with another prompt and batch
        misses = compiled.counters["misses"]
        for want, have in zip(
            decode(step, CACHES[kind](model.config), 40, 9), decode(compiled, CACHES[kind](model.config), 40, 9)
        ):
            assert torch.allclose(want, have, atol=1e-5)
        assert compiled.counters["misses"] <= misses + 2


def test_prompts_of_fifty_lengths(model):
    """With caches that are filled by the call: new layers in the caller's object."""

    def prefill(tokens, cache):
        return model(input_ids=tokens, past_key_values=cache, use_cache=True).logits

    compiled = braze.compile(prefill)
    for length in range(2, 52):
        tokens = torch.arange(length)[None] % 90 + 2
        plain, ours = CACHES["dynamic"](model.config), CACHES["dynamic"](model.config)
        assert torch.allclose(prefill(tokens, plain), compiled(tokens, ours), atol=1e-5)
        for a, b in zip(plain.layers, ours.layers):
            assert torch.allclose(a.keys, b.keys, atol=1e-5)
            assert torch.allclose(a.values, b.values, atol=1e-5)
    report = braze.explain(compiled).report
    assert len(report.entries) <= 3
    assert compiled.counters["misses"] <= 6, braze.explain(compiled)
    assert all(entry.state == "compiled" for entry in report.entries)
    assert sum(entry.hits for entry in report.entries) >= 44


def test_two_conversations_in_turn(model):
    def step(tokens, cache):
        return model(input_ids=tokens, past_key_values=cache, use_cache=True).logits

    compiled = braze.compile(step)
    caches = [[CACHES["dynamic"](model.config) for _ in range(2)] for _ in range(2)]
    tokens = [torch.arange(2, 7)[None], torch.arange(30, 41)[None]]
    for number in range(60):
        which = number % 2
        want, have = step(tokens[which], caches[0][which]), compiled(tokens[which], caches[1][which])
        assert torch.allclose(want, have, atol=1e-5), f"step {number}"
        tokens[which] = want[:, -1:].argmax(-1)
    assert compiled.counters["misses"] <= 8, braze.explain(compiled)
