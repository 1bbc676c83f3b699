"""What braze makes of many real architectures: captured whole, in parts, or refused and why; results against eager's.

python benchmarks/coverage.py --family "text decoders" --only llama gpt2 --json coverage.json

Each architecture runs in a forked process of its own with a time limit, so that a crash or a hang is a row of the table. Outcomes:

whole        every call is answered by an entry of the model itself once it was repeated
late         the same, after refusals that did not last
partly       some calls are, others are not (a cached decoder's prefill, but not its decoding)
split        no call is, but children of the model have entries
refused      nothing is compiled
wrong        a result differs from eager's
crashed      the process ended, hung, or raised where eager does not
eager fails  the architecture does not run without braze, or differs from itself: a row to mend
"""

import collections
import copy
import json
import site
import time
import traceback
import types
import warnings
from dataclasses import asdict, dataclass, field

import torch

import architectures
import braze
from forked import in_fork

OUTCOMES = ("whole", "late", "partly", "split", "refused", "wrong", "crashed", "eager fails")
LEAST_CALLS, MOST_CALLS = 5, 60  # a refusal is final after some calls, and only then are the children tried
QUIET_CALLS = 3  # the first trace of a call leaves nothing to see, the second an entry or a refusal
TOLERANCE = 1e-4  # of the largest magnitude of a result
ATOMS = (bool, int, float, complex, str, bytes, type(None), torch.dtype, torch.device, torch.Size)
NOT_LOOKED_INTO = (
    torch.nn.Module,
    type,
    types.ModuleType,
    types.FunctionType,
    types.MethodType,
    types.BuiltinFunctionType,
)


@dataclass
class Result:
    """What became of one architecture; counts are of the model and its children together."""

    family: str
    name: str
    outcome: str = "crashed"
    entries: int = 0
    kernels: int = 0
    extern_calls: int = 0
    compile_milliseconds: float = 0.0
    kinds_of_calls: int = 0
    answered: int = 0  # of them, by the model's own entries
    calls: int = 0  # made until braze had nothing more to learn
    seconds: float = 0.0
    problem: str = ""  # of what is wrong, crashed or fails
    refusals: list[str] = field(default_factory=list)  # of the model itself
    child_refusals: list[str] = field(default_factory=list)
    externs: dict[str, int] = field(default_factory=dict)


def main():
    parser = architectures.arguments(__doc__)
    parser.add_argument("--seconds", type=float, default=120, help="the time limit of one architecture")
    parser.add_argument("--in-process", action="store_true", help="no forking: for a debugger")
    chosen = parser.parse_args()
    import_libraries()
    results = []
    print(
        f"{'architecture':40} {'outcome':12} {'entries':>7} {'kernels':>7} {'extern':>6} {'compile ms':>10}  why not whole"
    )
    for row in architectures.chosen_rows(chosen):
        result = surveyed(row) if chosen.in_process else survey_in_fork(row, chosen.seconds)
        results.append(result)
        print_result(result)
        if chosen.json:
            with open(chosen.json, "w") as file:
                json.dump([asdict(result) for result in results], file, indent=1)
    print_totals(results)


def import_libraries():
    """In the parent, so that every fork has them."""
    import timm
    import torchvision
    import transformers
    import transformers.modeling_utils

    warnings.simplefilter("ignore")
    transformers.logging.set_verbosity_error()
    torch.set_num_threads(1)
    braze.options.cache = False  # compile times are of a first compilation
    return timm, torchvision


def survey_in_fork(row, seconds):
    """The result of a row, from a process of its own."""
    start = time.perf_counter()
    result, problem = in_fork(lambda: surveyed(row), seconds)
    result = result or Result(row.family, row.name, problem=problem)
    result.seconds = time.perf_counter() - start
    return result


def surveyed(row):
    result = Result(row.family, row.name)
    with torch.no_grad():
        try:
            eager, calls = made(row)
            for call in calls:
                if complaint := difference(run(eager, call), run(eager, call)):
                    raise RuntimeError(f"differs from itself: {complaint}")
        except Exception as error:
            result.outcome, result.problem = "eager fails", told(error)
            return result
        model, _ = made(row)
        braze.compile(model, trial=False)
        try:
            result.kinds_of_calls = len(calls)
            result.answered = sum(repeat(eager, model, call, result) for call in calls)
        except Exception as error:
            result.outcome, result.problem = "crashed", told(error)
    describe(result, braze.explain(model).report)
    return result


def made(row):
    torch.manual_seed(0)
    return row.make()


def run(model, call):
    """The result of a call on copies of its arguments, with those copies, which it may change."""
    args, kwargs = copy.deepcopy(call)
    torch.manual_seed(0)
    return model(*args, **kwargs), args, kwargs


def repeat(eager, model, call, result):
    """Calls both until braze has nothing more to learn; whether the model's own entries answered the last call."""
    stage, hits, quiet = None, 0, 0
    for number in range(MOST_CALLS):
        expected, actual = run(eager, call), run(model, call)
        result.calls += 1
        if (complaint := difference(expected, actual)) and not result.problem:
            result.outcome, result.problem = "wrong", f"call {number + 1}: {complaint}"
        report = braze.explain(model).report
        last_stage, stage = stage, progress(report)
        last_hits, hits = hits, report.compiled_calls
        quiet = quiet + 1 if stage == last_stage else 0
        if number + 1 >= LEAST_CALLS and quiet >= QUIET_CALLS:
            break
    return hits > last_hits


def progress(report):
    """Changes while traces of the model and its children lead to entries and refusals."""
    reports = [report, *report.children]
    return [(len(each.entries), sum(refusal.count for refusal in each.refusals)) for each in reports]


def describe(result, report):
    """Fills in what the report says, and the outcome where none is set yet."""
    reports = [report, *report.children]
    entries = [entry for each in reports for entry in each.entries]
    externs = collections.Counter()
    for entry in entries:
        for extern in entry.externs:
            externs[extern.op] += extern.calls
    result.entries = len(entries)
    result.kernels = sum(entry.kernel_launches for entry in entries)
    result.extern_calls = sum(entry.extern_calls for entry in entries)
    result.externs = dict(externs.most_common())
    result.compile_milliseconds = sum(each.compile_milliseconds for each in reports)
    result.refusals = [refusal_line(refusal) for refusal in report.refusals]
    result.child_refusals = [f"{each.name}: {refusal_line(item)}" for each in report.children for item in each.refusals]
    if result.problem:
        return
    if result.answered == result.kinds_of_calls:
        result.outcome = "late" if report.refusals else "whole"
    elif result.answered:
        result.outcome = "partly"
    else:
        result.outcome = "split" if entries else "refused"


def refusal_line(refusal):
    detail = f" ({refusal.detail})" if refusal.detail else ""
    place = f" at {shortened(refusal.place)}" if refusal.place else ""
    return f"{refusal.reason}{detail}{place}" + (f", {refusal.count} times" if refusal.count > 1 else "")


def shortened(text):
    for folder in site.getsitepackages():
        text = text.replace(folder + "/", "")
    return text


def told(error):
    frame = traceback.extract_tb(error.__traceback__)[-1]
    first_line = (str(error).splitlines() or [""])[0]
    return shortened(f"{type(error).__name__}: {first_line} at {frame.filename}:{frame.lineno}")


def difference(expected, actual):
    """The first difference between two results of equal structure; None when there is none."""
    wanted, given = dict(leaves(expected)), dict(leaves(actual))
    if missing := wanted.keys() ^ given.keys():
        return f"only one result has {min(missing)}"
    for path, value in wanted.items():
        other = given[path]
        if isinstance(value, torch.Tensor) and isinstance(other, torch.Tensor):
            complaint = difference_of_tensors(value, other)
        else:
            complaint = None if same_atoms(value, other) else f"{other!r} instead of {value!r}"
        if complaint:
            return f"{path}: {complaint}"
    return None


def difference_of_tensors(wanted, given):
    for what in ("dtype", "shape", "layout", "requires_grad"):
        if getattr(wanted, what) != getattr(given, what):
            return f"{what} {getattr(given, what)} instead of {getattr(wanted, what)}"
    if wanted.layout is not torch.strided or wanted.numel() == 0:
        return None
    if wanted.stride() != given.stride():
        return f"strides {given.stride()} instead of {wanted.stride()}"
    if not (wanted.is_floating_point() or wanted.is_complex()):
        return None if torch.equal(wanted, given) else "other values"
    finite = wanted.isfinite()
    if not torch.equal(wanted[~finite].nan_to_num(), given[~finite].nan_to_num()):
        return "infinities or NaNs differ"
    largest = float(wanted[finite].abs().max()) if finite.any() else 0.0
    error = float((wanted - given)[finite].abs().max()) if finite.any() else 0.0
    return None if error <= TOLERANCE * largest + 1e-7 else f"error {error:.3g} where values reach {largest:.3g}"


def same_atoms(wanted, given):
    if isinstance(wanted, float) and isinstance(given, float):
        return abs(wanted - given) <= TOLERANCE * abs(wanted) or wanted != wanted
    return type(wanted) is type(given) and (not isinstance(wanted, ATOMS) or wanted == given)


def leaves(value, path="result", above=()):
    """(path, leaf) of everything found in a result: in containers, and in the attributes of objects such as caches."""
    if isinstance(value, (torch.Tensor, *ATOMS, *NOT_LOOKED_INTO)):
        yield path, value
    elif id(value) in above:
        return
    elif isinstance(value, dict):
        for key, part in value.items():
            yield from leaves(part, f"{path}[{key!r}]", (*above, id(value)))
    elif isinstance(value, (list, tuple)):
        for position, part in enumerate(value):
            yield from leaves(part, f"{path}[{position}]", (*above, id(value)))
    else:
        yield path, type(value)
        for name, part in getattr(value, "__dict__", {}).items():
            yield from leaves(part, f"{path}.{name}", (*above, id(value)))


def print_result(result):
    why = result.problem or "; ".join(result.refusals)
    if not why and result.outcome != "whole":
        why = f"{result.answered} of {result.kinds_of_calls} calls answered by an entry"
    print(
        f"{result.name:40} {result.outcome:12} {result.entries:7} {result.kernels:7} {result.extern_calls:6} "
        f"{result.compile_milliseconds:10.1f}  {why}",
        flush=True,
    )


def print_totals(results):
    print(f"\n{'family':20}" + "".join(f"{outcome:>12}" for outcome in OUTCOMES) + f"{'all':>6} {'% whole':>8}")
    for family in [*dict.fromkeys(result.family for result in results), "all"]:
        counts = collections.Counter(result.outcome for result in results if family in (result.family, "all"))
        percent = 100 * counts["whole"] / max(1, counts.total())
        line = "".join(f"{counts[outcome]:12}" for outcome in OUTCOMES)
        print(f"{family:20}{line}{counts.total():6} {percent:8.1f}")


if __name__ == "__main__":
    main()
