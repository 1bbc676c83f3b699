"""Decoding with a cache that grows: each contender generates the same tokens, step by step in turn with the others.

The first steps, in which compilers look at the program, stand apart from those after them. torch.compile gets
dynamic shapes by its own default, on the second length.

python benchmarks/decode.py --steps 200 --threads 1
"""

import argparse
import statistics
import time

import torch
import transformers

import braze

CONTENDERS = {
    "eager": lambda step: step,
    "torch.compile": lambda step: torch.compile(step),
    "braze": lambda step: braze.compile(step),
}
FIRST_STEPS = 20


def llama(width, layers):
    config = transformers.LlamaConfig(
        hidden_size=width,
        intermediate_size=3 * width,
        num_hidden_layers=layers,
        num_attention_heads=8,
        num_key_value_heads=4,
        vocab_size=1024,
        max_position_embeddings=2048,
        bos_token_id=0,
        eos_token_id=1,
    )
    return transformers.LlamaForCausalLM(config).eval()


def gpt2(width, layers):
    config = transformers.GPT2Config(
        n_embd=width, n_layer=layers, n_head=8, vocab_size=1024, n_positions=2048, bos_token_id=0, eos_token_id=1
    )
    return transformers.GPT2LMHeadModel(config).eval()


CASES = {
    "llama 64 x 2": lambda: llama(64, 2),
    "llama 256 x 4": lambda: llama(256, 4),
    "gpt2 256 x 4": lambda: gpt2(256, 4),
}


class Decoder:
    """One contender: its own cache, and the time of each of its steps."""

    def __init__(self, model, compiler):
        def step(tokens, cache):
            return model(input_ids=tokens, past_key_values=cache, use_cache=True).logits

        self.step = compiler(step)
        self.cache = transformers.DynamicCache(config=model.config)
        self.seconds = []

    def next(self, tokens):
        start = time.perf_counter()
        logits = self.step(tokens, self.cache)
        self.seconds.append(time.perf_counter() - start)
        return logits[:, -1]


def run(case, contenders, steps):
    torch.compiler.reset()
    torch.manual_seed(0)
    model = CASES[case]().requires_grad_(False)
    decoders = {name: Decoder(model, CONTENDERS[name]) for name in contenders}
    tokens, worst = torch.arange(2, 18)[None], 0.0
    for _ in range(steps):
        logits = {name: decoder.next(tokens) for name, decoder in decoders.items()}
        expected = logits[contenders[0]]
        worst = max(worst, *(float((other - expected).abs().max()) for other in logits.values()))
        tokens = expected.argmax(-1, keepdim=True)
    first = decoders[contenders[0]].seconds
    for name, decoder in decoders.items():
        ratios = [a / b for a, b in zip(first[FIRST_STEPS:], decoder.seconds[FIRST_STEPS:])]
        beginning = sum(decoder.seconds[:FIRST_STEPS]) / sum(first[:FIRST_STEPS])
        print(f"{case:16} {name:14} {statistics.median(ratios):8.2f}x {beginning:21.1f}x {worst:14.1e}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--only", nargs="+", default=list(CASES), choices=CASES)
    parser.add_argument("--contenders", nargs="+", default=list(CONTENDERS), choices=CONTENDERS)
    chosen = parser.parse_args()
    torch.set_num_threads(chosen.threads)
    print(f"{'case':16} {'contender':14} {'speed-up':>9} {f'time of first {FIRST_STEPS}':>22} {'largest error':>14}")
    with torch.no_grad():
        for case in chosen.only:
            run(case, chosen.contenders, chosen.steps)


if __name__ == "__main__":
    main()
