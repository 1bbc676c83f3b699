"""How close do memory-bound programs over 64 MB come to a copy? Bytes that must move, by time, over those of a copy.

1.00 is a copy of 64 MB into memory that is there already. The contenders are timed in turn with it.

python benchmarks/against_a_copy.py --threads 1 2
python benchmarks/against_a_copy.py --dtype bfloat16 --only softmax
"""

import statistics
from functools import partial

import torch
import torch.nn.functional as F

import timing
from pointwise_and_norms import chain, layer_norm_gelu_residual, softmax

BYTES = 2**26  # of each large tensor


def scaled_relu(x):
    return torch.relu(x) * 2


def layer_norm(x, weight, bias):
    return F.layer_norm(x, x.shape[-1:], weight, bias)


def rms_norm(x, weight):
    return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6) * weight


def batch_norm(x, mean, variance, weight, bias):
    return F.batch_norm(x, mean, variance.abs(), weight, bias)


def transpose(x):
    return x.t().contiguous()


def column_sums(x):
    return x.sum(0)


# A name, a function, how many large tensors it reads and writes at least, the row of the large ones it reads, the small ones.
ROWS = (
    ("relu, multiply", scaled_relu, 2, 4096, ()),
    ("10 pointwise", chain, 3, 4096, ()),
    ("layer norm 768", layer_norm, 2, 768, (768, 768)),
    ("layer norm 4096", layer_norm, 2, 4096, (4096, 4096)),
    ("layer norm, gelu, residual", layer_norm_gelu_residual, 2, 768, (768, 768)),
    ("rms norm", rms_norm, 2, 4096, (4096,)),
    ("softmax 512", softmax, 2, 512, ()),
    ("softmax 4096", softmax, 2, 4096, ()),
    ("softmax 65536", softmax, 2, 65536, ()),
    ("column sums", column_sums, 1, 4096, ()),
    ("transpose", transpose, 2, 4096, ()),
)


def main():
    parser = timing.arguments(__doc__)
    parser.add_argument("--dtype", choices=("float32", "bfloat16"), default="float32")
    chosen = parser.parse_args()
    names = chosen.contenders
    print(f"{'share of the speed of a copy':34} {'threads':>7}" + "".join(f" {name:>13}" for name in names))
    for threads in chosen.threads:
        torch.set_num_threads(threads)
        for name, function, streams, row, small in ROWS:
            if not chosen.only or any(part in name for part in chosen.only):
                shares = shares_of_a_copy(function, streams, row, small, getattr(torch, chosen.dtype), chosen)
                print(f"{name:34} {threads:7}" + "".join(f" {share:13.2f}" for share in shares), flush=True)


def shares_of_a_copy(function, streams, row, small, dtype, chosen):
    if "torch.compile" in chosen.contenders:
        torch.compiler.reset()
    torch.manual_seed(0)
    rows = BYTES // dtype.itemsize // row
    large = max(1, streams - 1)
    inputs = [torch.randn(rows, row).to(dtype) for _ in range(large)] + [torch.randn(n).to(dtype) for n in small]
    target = torch.empty_like(inputs[0])
    calls = {"copy": partial(target.copy_, inputs[0])}
    with torch.no_grad():
        for name in chosen.contenders:
            calls[name] = partial(timing.CONTENDERS[name](function, inputs), *inputs)
            for _ in range(timing.WARM_UP_CALLS):
                calls[name]()
        times = timing.interleaved(calls, rounds=chosen.rounds)
    moved = streams / 2
    return [
        moved * statistics.median(copy / taken for copy, taken in zip(times["copy"], times[name]))
        for name in chosen.contenders
    ]


if __name__ == "__main__":
    main()
