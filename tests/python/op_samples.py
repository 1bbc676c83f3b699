"""Which operators the sweep runs, on which inputs, and how exactly each must agree: PyTorch's own operator database."""

import itertools
import os
import warnings

import torch

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from torch.testing._internal.common_methods_invocations import op_db

FULL = os.environ.get("BRAZE_FULL_SWEEP") == "1"
SAMPLES_PER_DTYPE = 10_000 if FULL else 4
LOOKED_AT = 10_000 if FULL else 32
DTYPES = (torch.float32, torch.bfloat16, torch.int64, torch.bool)

# Eager itself leaves these numbers undefined; only the layout is compared.
UNINITIALISED = {
    "empty", "empty_like", "empty_permuted", "empty_strided", "new_empty", "new_empty_strided", "resize_", "resize_as_",
}  # fmt: skip

# Must be the very bits of eager.
BIT_EQUAL = {
    "abs", "add", "bitwise_and", "bitwise_left_shift", "bitwise_not", "bitwise_or", "bitwise_right_shift",
    "bitwise_xor", "cat", "ceil", "clamp", "clamp_max", "clamp_min", "clone", "copysign", "div", "eq", "expand", "fill",
    "flip", "floor", "floor_divide", "fmax", "fmin", "fmod", "frac", "gather", "ge", "gt", "index_select", "isfinite",
    "isinf", "isnan", "le", "logical_and", "logical_not", "logical_or", "logical_xor", "lt", "masked_fill", "maximum",
    "minimum", "mul", "narrow", "ne", "neg", "nn.functional.relu", "nn.functional.relu6", "ones_like", "permute",
    "positive", "reciprocal", "remainder", "repeat", "roll", "round", "rsub", "select", "sgn", "sign", "square",
    "squeeze", "stack", "sub", "t", "transpose", "tril", "triu", "true_divide", "trunc", "unsqueeze", "where",
    "zeros_like",
}  # fmt: skip

# May be off by two units in the last place.
TWO_ULPS = {
    "acos", "acosh", "asin", "asinh", "atan", "atan2", "atanh", "cos", "cosh", "erf", "erfc", "exp", "exp2", "expm1",
    "log", "log10", "log1p", "log2", "rsqrt", "sin", "sinh", "sqrt", "tan", "tanh",
}  # fmt: skip

# A compiler that runs these as extern ops has lost its way: at least one f32 sample each must become a kernel.
MUST_BECOME_KERNELS = {
    "abs", "add", "addr", "angle", "argsort", "block_diag", "bucketize", "ceil", "cholesky_solve", "clamp",
    "clamp_max", "clamp_min", "cos", "cross", "cummax", "cummin", "cumprod", "cumsum", "diag_embed",
    "diagonal_copy", "diagonal_scatter", "digamma", "dist", "div", "eq", "erf", "exp", "floor", "ge",
    "gt", "heaviside", "i0", "index_add", "index_copy", "index_fill", "index_put", "isin", "isnan", "ldexp", "le",
    "linalg.cholesky", "linalg.cross", "linalg.det", "linalg.inv", "linalg.slogdet", "linalg.solve",
    "linalg.solve_triangular", "log", "log1p", "logcumsumexp", "logical_and", "logical_not", "logical_or", "lt",
    "masked_fill", "maximum", "mean", "median", "minimum", "msort", "mul", "mvlgamma", "narrow_copy", "ne", "neg",
    "nn.functional.adaptive_avg_pool2d", "nn.functional.adaptive_max_pool2d", "nn.functional.binary_cross_entropy",
    "nn.functional.celu", "nn.functional.channel_shuffle", "nn.functional.gelu", "nn.functional.interpolate",
    "nn.functional.layer_norm", "nn.functional.max_pool2d", "nn.functional.multi_margin_loss",
    "nn.functional.nll_loss", "nn.functional.pad", "nn.functional.relu", "nn.functional.silu",
    "nn.functional.soft_margin_loss", "nn.functional.upsample_bilinear", "nn.functional.upsample_nearest",
    "permute_copy", "polygamma", "pow", "reciprocal", "renorm", "rot90", "rsqrt", "scatter", "scatter_add",
    "scatter_reduce", "sigmoid", "sin", "sinc", "softmax", "sort", "special.chebyshev_polynomial_t", "special.entr",
    "special.erfcx", "special.i0e", "special.i1", "special.legendre_polynomial_p", "special.log_ndtr",
    "special.modified_bessel_k0", "special.xlog1py", "split_with_sizes_copy", "sqrt", "sub", "sum",
    "t_copy", "take", "tanh", "trace", "transpose_copy", "unbind_copy", "unfold_copy", "view_copy", "where",
}  # fmt: skip


def dtype_name(dtype):
    return str(dtype).removeprefix("torch.")


def op_id(op):
    return op.formatted_name


def ops():
    """Every operator with at least one of our dtypes on the CPU, in a fixed order."""
    chosen = [op for op in op_db if any(op.supports_dtype(dtype, "cpu") for dtype in DTYPES)]
    return sorted(chosen, key=op_id)


# Eager rounds `a + alpha * b` once where it uses vectors and twice in what is left over, for half precision.
ROUNDED_BOTH_WAYS = {"add", "sub", "rsub"}


def ulps_allowed(op, dtype):
    if op.name in ROUNDED_BOTH_WAYS and dtype is torch.bfloat16:
        return None
    if op.name in BIT_EQUAL:
        return 0
    if op.name in TWO_ULPS and dtype.is_floating_point:
        return 2
    return None


class Sample:
    """One call: a label for messages, the function, and its arguments."""

    def __init__(self, label, function, args, kwargs):
        self.label, self.function, self.args, self.kwargs = label, function, args, kwargs

    def __repr__(self):
        named = (f"{key}={brief(value)}" for key, value in self.kwargs.items())
        return f"{self.label}({', '.join([*map(brief, self.args), *named])})"


def brief(value):
    if isinstance(value, torch.Tensor):
        if value.layout is not torch.strided or value.is_nested:
            return f"{dtype_name(value.dtype)}:{value.layout}"
        stride = "" if value.is_contiguous() else f" strides {list(value.stride())}"
        return f"{dtype_name(value.dtype)}{list(value.shape)}{stride}"
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(brief, value))}]"
    text = repr(value)
    return text if len(text) < 60 else text[:57] + "..."


def call_of(function):
    return lambda *args, **kwargs: function(*args, **kwargs)


def as_sample(label, function, sample):
    return Sample(label, call_of(function), (sample.input, *sample.args), dict(sample.kwargs))


def spread(items, count):
    """`count` items at even distances, first and last among them."""
    if len(items) <= count:
        return items
    return [items[round(i * (len(items) - 1) / (count - 1))] for i in range(count)]


def map_tensors(function, value):
    if isinstance(value, torch.Tensor):
        return function(value)
    if type(value) in (list, tuple):
        return type(value)(map_tensors(function, item) for item in value)
    if type(value) is dict:
        return {key: map_tensors(function, item) for key, item in value.items()}
    return value


def emptied(sample, label):
    """The same call with the first dimension of every tensor cut to nothing."""

    def cut(tensor):
        return tensor[:0] if tensor.dim() and tensor.layout is torch.strided else tensor

    return Sample(label, sample.function, map_tensors(cut, sample.args), map_tensors(cut, sample.kwargs))


def samples(op, dtype):
    """The samples of one operator at one dtype; generated by a fixed seed."""
    torch.manual_seed(0)
    name = f"{op.formatted_name} {dtype_name(dtype)}"
    raw = list(itertools.islice(op.sample_inputs("cpu", dtype, requires_grad=False), LOOKED_AT))
    found = [as_sample(f"{name} #{i}", op.op, s) for i, s in spread(list(enumerate(raw)), SAMPLES_PER_DTYPE)]
    if found and dtype in (torch.float32, torch.int64):
        found.extend(variants(op, raw, found, name))
    return found


def variants(op, raw, found, name):
    for sample in raw[: LOOKED_AT if FULL else 1]:
        strided = attempt_sample(sample.noncontiguous)
        if strided:
            yield as_sample(f"{name} non-contiguous", op.op, strided)
    yield emptied(found[0], f"{name} zero-size")
    inplace = op.get_inplace()
    plain = [s for s in raw if not s.broadcasts_input]
    if inplace is not None and plain:
        yield as_sample(f"{name} in-place", inplace, plain[0])
    if op.supports_out:
        yield from out_variant(op, found[0], name)


def out_variant(op, sample, name):
    result = attempt_sample(lambda: sample.function(*sample.args, **sample.kwargs))
    if isinstance(result, torch.Tensor) and result.layout is torch.strided and "out" not in sample.kwargs:
        yield Sample(f"{name} out=", sample.function, sample.args, {**sample.kwargs, "out": torch.empty_like(result)})


def error_samples(op):
    """Calls that eager answers with an exception."""
    if op.error_inputs_func is None:
        return []
    torch.manual_seed(0)
    limit = LOOKED_AT if FULL else 3
    found = itertools.islice(op.error_inputs("cpu"), limit)
    return [as_sample(f"{op.formatted_name} error #{i}", op.op, s.sample_input) for i, s in enumerate(found)]


def attempt_sample(make):
    try:
        return make()
    except Exception:  # noqa: BLE001 - the database has samples without such a variant
        return None
