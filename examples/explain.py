"""Reading braze.explain: what was compiled into which kernels, and why a call was not."""

import torch

import braze


@braze.compile
def normalise(x):
    return (x - x.mean(dim=-1, keepdim=True)) / (x.var(dim=-1, keepdim=True) + 1e-5).sqrt()


@braze.compile
def mean_of_positive(x):
    return x[x > 0].mean()  # how many are taken depends on values: refused, so it runs eagerly


x = torch.randn(256, 1024)
for _ in range(5):
    normalise(x)
    mean_of_positive(x)

print(braze.explain(normalise))
print()
print(braze.explain(mean_of_positive))

report = braze.explain(normalise).report  # the same as values, for scripts
print(f"\n{len(report.entries)} entry, compiled in {report.compile_milliseconds:.1f} ms")
for refusal in braze.explain(mean_of_positive).report.refusals:
    print(f"mean_of_positive is not compiled: {refusal.reason}: {refusal.detail} {refusal.place}")
