"""What a packed weight is worth: PyTorch's plain linear and convolution beside oneDNN's and MKL's on packed weights.

One line a shape; microseconds, the median over rounds in which every contender is timed in turn.

python benchmarks/frozen_weights.py --threads 1 2
"""

import argparse
import statistics

import torch

import timing

LINEARS = (
    (1, 512, 512),
    (1, 1024, 4096),
    (16, 384, 1536),
    (16, 1536, 384),
    (64, 512, 512),
    (64, 768, 3072),
    (64, 3072, 768),
    (512, 384, 384),
    (512, 768, 768),
)
# batch, channels, size, channels out, kernel, stride, groups
CONVOLUTIONS = (
    (1, 3, 224, 64, 7, 2, 1),
    (1, 64, 56, 64, 3, 1, 1),
    (1, 64, 56, 256, 1, 1, 1),
    (1, 128, 28, 128, 3, 1, 1),
    (1, 256, 14, 256, 3, 1, 1),
    (1, 512, 7, 512, 3, 1, 1),
    (1, 1024, 14, 256, 1, 1, 1),
    (1, 96, 28, 96, 5, 1, 96),
    (1, 16, 112, 16, 3, 1, 16),
    (1, 240, 14, 40, 1, 1, 1),
    (1, 240, 1, 64, 1, 1, 1),
)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, nargs="+", default=[1])
    parser.add_argument("--dtypes", nargs="+", default=["float32", "bfloat16"])
    parser.add_argument("--rounds", type=int, default=15)
    chosen = parser.parse_args()
    for threads in chosen.threads:
        torch.set_num_threads(threads)
        for name in chosen.dtypes:
            dtype = getattr(torch, name)
            print(f"{name}, {threads} threads")
            with torch.no_grad():
                for shape in LINEARS:
                    show(f"linear {shape}", linear_calls(dtype, *shape), chosen.rounds)
                for shape in CONVOLUTIONS:
                    show(f"conv {shape}", convolution_calls(dtype, *shape), chosen.rounds)


def linear_calls(dtype, rows, inner, columns):
    x, bias = torch.randn(rows, inner, dtype=dtype), torch.randn(columns, dtype=dtype)
    weight = torch.randn(columns, inner, dtype=dtype)
    transposed = weight.t().contiguous()
    packed = torch.ops.mkldnn._reorder_linear_weight(weight, rows)
    call = torch.ops.mkldnn._linear_pointwise.default
    calls = {
        "addmm": lambda: torch.addmm(bias, x, weight.t()),
        "addmm transposed": lambda: torch.addmm(bias, x, transposed),
        "oneDNN": lambda: call(x, packed, bias, "none", [], ""),
        "relu after": lambda: torch.relu_(torch.addmm(bias, x, weight.t())),
        "oneDNN relu": lambda: call(x, packed, bias, "relu", [], ""),
        "gelu after": lambda: torch.nn.functional.gelu(torch.addmm(bias, x, weight.t())),
        "oneDNN gelu": lambda: call(x, packed, bias, "gelu", [], "none"),
    }
    if dtype == torch.float32:
        in_mkl = torch.ops.mkl._mkl_reorder_linear_weight(weight, rows)
        calls["MKL"] = lambda: torch.ops.mkl._mkl_linear(x, in_mkl, weight, bias, rows)
    return calls


def convolution_calls(dtype, batch, channels, size, out, kernel, stride, groups):
    x = torch.randn(batch, channels, size, size, dtype=dtype)
    bias = torch.randn(out, dtype=dtype)
    weight = torch.randn(out, channels // groups, kernel, kernel, dtype=dtype)
    last, last_weight = (t.contiguous(memory_format=torch.channels_last) for t in (x, weight))
    place = [kernel // 2] * 2, [stride] * 2, [1, 1], groups
    packed = torch.ops.mkldnn._reorder_convolution_weight(weight, *place, list(x.shape))

    def plain(x, w):
        return torch.convolution(x, w, bias, place[1], place[0], place[2], False, [0, 0], groups)

    def fused(x, activation):
        return torch.ops.mkldnn._convolution_pointwise.default(x, packed, bias, *place, activation, [], "")

    calls = {
        "plain": lambda: plain(x, weight),
        "plain last": lambda: plain(last, last_weight),
        "oneDNN": lambda: fused(x, "none"),
        "oneDNN last": lambda: fused(last, "none"),
        "relu after": lambda: torch.relu_(plain(last, last_weight)),
        "oneDNN last relu": lambda: fused(last, "relu"),
    }
    if groups == 1:
        residual = plain(last, last_weight)
        calls["add relu after"] = lambda: plain(last, last_weight).add_(residual).relu_()
        calls["oneDNN last add relu"] = lambda: torch.ops.mkldnn._convolution_pointwise.binary(
            last, residual, packed, bias, *place, "add", 1.0, "relu", [], ""
        )
    return calls


def show(title, calls, rounds):
    times = timing.interleaved(calls, rounds=rounds, seconds_a_round=0.005)
    cells = [f"{name} {statistics.median(times[name]) * 1e6:.1f}" for name in calls]
    print(f"  {title:36} {'  '.join(cells)}", flush=True)


if __name__ == "__main__":
    main()
