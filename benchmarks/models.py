"""Whole models in inference: eager, torch.compile and braze.

python benchmarks/models.py --only resnet --threads 1 2
"""

from functools import partial

import model_zoo
import timing


def main():
    parser = timing.arguments(__doc__)
    parser.add_argument("--batch", type=int, nargs="+", help="batch sizes; each model has a usual one")
    chosen = parser.parse_args()
    timing.run_cases(cases(chosen.batch), chosen)


def cases(batches):
    if not batches:
        return [timing.Case(make.__name__, make) for make in model_zoo.ALL]
    return [timing.Case(f"{make.__name__} batch {n}", partial(make, n)) for make in model_zoo.ALL for n in batches]


if __name__ == "__main__":
    main()
