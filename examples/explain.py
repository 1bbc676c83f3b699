"""Reading braze.explain: what was compiled into which kernels, and why a call was not."""

import torch

import braze


@braze.compile
def normalise(x):
    return (x - x.mean(dim=-1, keepdim=True)) / (x.var(dim=-1, keepdim=True) + 1e-5).sqrt()


@braze.compile
def share_of_largest(x):
    return x / x.max().tolist()  # what Python does with a number is not known: refused, so it runs eagerly


x = torch.randn(256, 1024)
for _ in range(5):
    normalise(x)
    share_of_largest(x)

print(braze.explain(normalise))
print()
print(braze.explain(share_of_largest))

report = braze.explain(normalise).report  # the same as values, for scripts
print(f"\n{len(report.entries)} entry, compiled in {report.compile_milliseconds:.1f} ms")
for refusal in braze.explain(share_of_largest).report.refusals:
    print(f"share_of_largest is not compiled: {refusal.reason}: {refusal.detail} {refusal.place}")
