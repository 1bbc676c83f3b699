"""Finds the coefficients in polynomials.def: minimax polynomials by Remez' exchange, with the weight that makes errors relative.

    python kernels/cpu/fit_polynomials.py > kernels/cpu/polynomials.def

Needs mpmath. Each polynomial approximates the smooth rest that is left of a function after its range reduction, so the reductions
are told here too; the code that evaluates them is csrc/backends/cpu/emit_math.cpp.
"""

import struct

import mpmath as mp

mp.mp.prec = 200


def remez(function, weight, low, high, degree):
    """The polynomial p of `degree` with the least max |weight(x) * (function(x) - p(x))| on [low, high], and that maximum."""
    low, high = mp.mpf(low), mp.mpf(high)
    count = degree + 2
    points = [(low + high) / 2 - (high - low) / 2 * mp.cos(mp.pi * k / (count - 1)) for k in range(count)]
    grid = [(low + high) / 2 - (high - low) / 2 * mp.cos(mp.pi * k / 1200) for k in range(1201)]
    values = [(x, function(x), weight(x)) for x in grid]
    for _ in range(12):
        rows = [[x**k for k in range(degree + 1)] + [(-1) ** i / weight(x)] for i, x in enumerate(points)]
        solution = mp.lu_solve(mp.matrix(rows), mp.matrix([function(x) for x in points]))
        coefficients = [solution[k] for k in range(degree + 1)]
        errors = [w * (f - mp.polyval(coefficients[::-1], x)) for x, f, w in values]
        points = extrema(grid, errors, count)
    return coefficients, max(abs(e) for e in errors)


def extrema(grid, errors, count):
    """The largest error of each run of one sign; `count` neighbouring runs with the largest ones among them."""
    runs = [0]
    for i in range(1, len(errors)):
        if (errors[i] > 0) != (errors[runs[-1]] > 0):
            runs.append(i)
        elif abs(errors[i]) > abs(errors[runs[-1]]):
            runs[-1] = i
    while len(runs) > count:
        runs.pop(0 if abs(errors[runs[0]]) < abs(errors[runs[-1]]) else -1)
    assert len(runs) == count, "the exchange lost a point"
    return [grid[i] for i in runs]


def to_float(value):
    return struct.unpack("f", struct.pack("f", float(value)))[0]


def row(name, comment, function, weight, low, high, degree):
    coefficients, error = remez(function, weight, low, high, degree)
    numbers = ", ".join(to_float(c).hex().replace("0000000p", "p") for c in coefficients)
    print(f"// {comment}; weighted error 2^{float(mp.log(error, 2)):.1f}")
    print(f"POLYNOMIAL( {name}, {numbers} )")


def interpolate(function, half, degree):
    """The coefficients of the polynomial that meets `function` in the Chebyshev nodes of [-half, half]."""
    nodes = [half * mp.cos(mp.pi * (2 * k + 1) / (2 * degree + 2)) for k in range(degree + 1)]
    matrix = mp.matrix([[t**k for k in range(degree + 1)] for t in nodes])
    return list(mp.lu_solve(matrix, mp.matrix([function(t) for t in nodes])))


def odd_piece(function, slope, half, degree):
    """Coefficients of an odd polynomial around 0, the linear one being `slope`."""

    def rest(z):
        x = mp.sqrt(abs(small(z)))
        return (function(x) / x - slope) / (x * x)

    middle = half * half / 2
    shifted = interpolate(lambda u: rest(middle + u), middle, (degree - 1) // 2 - 1)
    cubes = [
        sum(c * mp.binomial(k, j) * (-middle) ** (k - j) for k, c in enumerate(shifted) if k >= j)
        for j in range(len(shifted))
    ]
    row = [mp.mpf(0)] * (degree + 1)
    row[1] = slope
    row[3 : 3 + 2 * len(cubes) : 2] = cubes
    return row


def table(name, comment, function, step, degree, pieces=32):
    """`pieces` polynomials of an odd function around n * step, each of use up to half a step away; the first is odd itself. What is
    lost by rounding the slope at 0 is a number of its own, which the linear coefficients of all pieces go without. The step has few
    bits, so that n * step is exact, and is chosen so that the function is nearly a float at the first few n * step."""
    half = step / 2 * (1 + mp.mpf(2) ** -10)
    slope = mp.diff(function, 0)
    slope_low = mp.mpf(to_float(slope - mp.mpf(to_float(slope))))
    rows = [odd_piece(function, slope, half, degree)]
    rows += [interpolate(lambda t, n=n: function(n * step + t), half, degree) for n in range(1, pieces)]
    worst = max(
        abs(mp.polyval(row[::-1], half * k / 20) / function(n * step + half * k / 20) - 1)
        for n, row in enumerate(rows)
        for k in range(-20, 21)
        if k != 0
    )
    for row in rows:
        row[1] -= slope_low
    numbers = ", ".join(to_float(row[k]).hex().replace("0000000p", "p") for k in range(degree + 1) for row in rows)
    print(f"// {comment} in {pieces} pieces around n * {float(step)}; relative error 2^{float(mp.log(worst, 2)):.1f}")
    print(f"TABLE( {name}, {float(step).hex()}, {pieces}, {float(slope_low).hex()}, {numbers} )")


def small(x):
    """x, or something tiny where the rests below would lose all their digits."""
    return x if abs(x) > mp.mpf(2) ** -60 else mp.mpf(2) ** -60


def exp_rest(x):
    return (mp.expm1(small(x)) - small(x)) / small(x) ** 2


def log_rest(f):
    f = small(f)
    return (mp.log1p(f) - f + f * f / 2) / f**3


def tanh_rest(z):
    x = mp.sqrt(small(z))
    return (mp.tanh(x) - x) / x**3


def erf_rest(z):
    x = mp.sqrt(small(z))
    return mp.erf(x) / x - 1


def erfc_log2(x):
    return mp.log(mp.erfc(x), 2)


def main():
    half_ln2 = mp.log(2) / 2 * (1 + mp.mpf(2) ** -10)
    print("// Coefficients from the constant up, made by fit_polynomials.py.")
    row(
        "exp_rest",
        "(exp(r) - 1 - r) / r^2 on |r| <= ln(2)/2, relative to exp",
        exp_rest,
        lambda x: x * x,
        -half_ln2,
        half_ln2,
        4,
    )
    row("expm1_rest", "the same with equal weight, for expm1", exp_rest, lambda x: mp.mpf(1), -half_ln2, half_ln2, 5)
    row("exp2_of", "2^r on |r| <= 1/2", lambda x: mp.mpf(2) ** x, lambda x: mp.mpf(2) ** -x, -0.5005, 0.5005, 6)
    row("exp2_coarse", "the same to 22 bits", lambda x: mp.mpf(2) ** x, lambda x: mp.mpf(2) ** -x, -0.5005, 0.5005, 5)
    row(
        "log_rest",
        "(log(1+f) - f + f^2/2) / f^3 for 1+f in [sqrt(1/2), sqrt(2)], relative to log",
        log_rest,
        lambda f: f * f,
        mp.sqrt(mp.mpf(1) / 2) - 1,
        mp.sqrt(2) - 1,
        7,
    )
    row(
        "tanh_rest",
        "(tanh(x) - x) / x^3 in x^2 for |x| <= 0.625",
        tanh_rest,
        lambda z: z + mp.mpf(2) ** -20,
        0,
        mp.mpf("0.390625"),
        4,
    )
    row(
        "erf_rest",
        "erf(x) / x - 1 in x^2 for |x| <= 1, relative to erf",
        erf_rest,
        lambda z: 1 / (1 + erf_rest(z)),
        0,
        1,
        6,
    )
    row("erfc_log2", "log2(erfc(x)) for 1 <= x <= 4, relative to erf", erfc_log2, mp.erfc, 1, 4, 6)
    table("erf_pieces", "erf(x)", mp.erf, mp.mpf(2151) / 16384, 5)
    table("tanh_pieces", "tanh(x)", mp.tanh, mp.mpf(4798) / 16384, 6)


if __name__ == "__main__":
    main()
