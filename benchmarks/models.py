"""Whole models in inference: eager, torch.compile and braze; with --contenders also the peers that freeze weights.

python benchmarks/models.py --only resnet --threads 1 2
python benchmarks/models.py --contenders eager frozen max-autotune onnxruntime openvino --plot frozen.png
python benchmarks/models.py --dtype bfloat16
"""

from functools import partial

import torch

import model_zoo
import timing


def main():
    parser = timing.arguments(__doc__)
    parser.add_argument("--batch", type=int, nargs="+", help="batch sizes; each model has a usual one")
    parser.add_argument("--dtype", choices=("float32", "bfloat16"), default="float32", help="of weights and inputs")
    parser.add_argument("--plot", metavar="FILE", help="draw the speed-ups into FILE (a name matplotlib knows)")
    chosen = parser.parse_args()
    rows = timing.run_cases(cases(chosen.batch, getattr(torch, chosen.dtype)), chosen)
    if chosen.plot:
        plot(rows, chosen.plot)


def cases(batches, dtype):
    return [
        timing.Case(f"{make.__name__} batch {n}" if n else make.__name__, partial(at_dtype, make, n, dtype))
        for make, usual in model_zoo.ALL
        for n in batches or usual or (None,)
    ]


def at_dtype(make, batch, dtype):
    """The model and those inputs that are not integers, converted."""
    model, inputs = make(batch) if batch else make()
    return model.to(dtype), tuple(x.to(dtype) if x.is_floating_point() else x for x in inputs)


def plot(rows, file):
    """A group of bars for each case, a bar for each contender but the first, which is the line at 1."""
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot

    labels = list(dict.fromkeys(f"{row.case}, {row.threads}" for row in rows))
    contenders = list(dict.fromkeys(row.contender for row in rows))
    figure, axes = pyplot.subplots(figsize=(2 + 0.7 * len(labels), 4.5), layout="constrained")
    width = 0.8 / max(1, len(contenders) - 1)
    for place, name in enumerate(contenders[1:]):
        heights = {f"{row.case}, {row.threads}": row.speedup for row in rows if row.contender == name}
        axes.bar(
            [at + place * width for at in range(len(labels))], [heights[label] for label in labels], width, label=name
        )
    axes.axhline(1, color="black", linewidth=0.8)
    axes.set_xticks([at + 0.4 - width / 2 for at in range(len(labels))], labels, rotation=45, ha="right")
    axes.set_ylabel(f"speed-up over {contenders[0]}")
    axes.set_xlabel("model, threads")
    axes.legend()
    figure.savefig(file)


if __name__ == "__main__":
    main()
