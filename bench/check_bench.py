"""Runs the bench program with --quick and checks its output.

    python check_bench.py --bin DIR

DIR is the folder of lorentznet_bench. Every requested measurement must be present, numbers must be
positive, and ratios must follow from the recorded rounds. Only rows of a kernel whose instructions the
processor lacks may be errors.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1]
PLAIN = {"kernel": "plain"}
# Floating-point operations per edge in units of 2 H^2, for six layers, the last without phi_x.
PRODUCTS = {"inference": 11, "training": 44}
HIDDEN = 72


def run(program, *words):
    return subprocess.run([program, *words], capture_output=True, text=True, cwd=PROJECT)


def near(value, expected, tolerance=1e-9):
    return abs(value - expected) <= tolerance * abs(expected)


def require(condition, *what):
    if not condition:
        sys.exit("check_bench: " + " ".join(map(str, what)))


def check_spread(spread, numerators, denominators, row):
    quotients = [n / d for n, d in zip(numerators, denominators, strict=True)]
    require(near(spread["median"], statistics.median(quotients)), "ratio", spread, quotients, row)
    require(min(quotients) <= spread["low"] * (1 + 1e-9), "quartile", spread, quotients)
    require(spread["low"] <= spread["median"] <= spread["high"], "order", spread)
    require(spread["high"] <= max(quotients) * (1 + 1e-9), "quartile", spread, quotients)


def partner(rows, row, **differing):
    """The row that differs from `row` only in `differing`; None if that is the row itself."""
    keys = ("task", "mode", "batch_size", "threads", "kernel", "isa")
    wanted = {key: row[key] for key in keys} | differing
    found = [other for other in rows if {key: other[key] for key in keys} == wanted]
    require(len(found) == 1, len(found), "rows of", wanted)
    return None if found[0] is row else found[0]


def best_peak(rows, row):
    """The largest that was measured for this instruction set and number of threads: other programs disturb some."""
    return max(peak for other in rows if (other["isa"], other["threads"]) == (row["isa"], row["threads"])
               for peak in other["rounds"]["peak_gflops"])  # fmt: skip


def check_rate(rows, row):
    rounds = row["rounds"]
    for name, values in rounds.items():
        require(len(values) == 3 and min(values) > 0, name, values)
        require(near(row[name], statistics.median(values)), name, "is not the median", row)
    check_spread(row["of_peak"], rounds["gflops"], rounds["peak_gflops"], row)
    # A core reaches at most about 4 GHz x 64 flops x 2 units, and kernels stay below the peak.
    require(1 < row["peak_gflops"] < 600 * row["threads"], "peak", row)
    require(0 < row["cores"] < row["threads"] + 0.1, "cores", row)
    require(row["gflops"] < 1.2 * best_peak(rows, row), "above the peak", row)
    partners = {
        "vs_plain": partner(rows, row, isa=rows[0]["isa"], **PLAIN),
        "vs_one_thread": partner(rows, row, threads=1),
    }
    for ratio, other in partners.items():
        require((row[ratio] is None) == (other is None), ratio, row)
        if other:
            check_spread(row[ratio], rounds["gflops"], other["rounds"]["gflops"], row)
    edges = [1e9 * g / j / (PRODUCTS[row["mode"]] * 2 * HIDDEN**2)
             for g, j in zip(rounds["gflops"], rounds["jets_per_s"])]  # fmt: skip
    low, high = (1500, 8000) if row["task"] == "top" else (800, 5000)
    require(low < min(edges) and max(edges) < high, "edges a jet:", edges, row)
    if row["kernel"] == "plain" and row["mode"] == "training":  # slow, so that a round is one batch
        for count in (row["batch_size"] * value for value in edges):
            require(round(count) % 2 == 0 and near(count, round(count)), count, "edges", row)
    require(row["peak_memory_mb"] > 0, "memory", row)


def check_end_to_end(row):
    rounds = row["rounds"]
    require(row["jets"] >= 4 and row["make_batch_jets_per_s"] > 0, row)
    for name, values in rounds.items():
        require(min(values) > 0 and near(row[name], statistics.median(values)), name, row)
    check_spread(row["ratio"], rounds["jets_per_s"], rounds["bare_jets_per_s"], row)


def check_densities(data, rows):
    for layer in data["densities"]:
        require(all(0 < share < 1 for share in layer.values()), layer)
    require(["y" in layer for layer in data["densities"]] == [True] * 5 + [False], data)
    for row in rows:
        require(row["task"] != data["task"] or 0 < row["share_done"] < 1, row)


def check_latency(row):
    require(row["nodes"] == 50 and row["calls"] == 10, row)
    require(0 < row["median_ms"] <= row["p99_ms"] < 10000, row)


def check_results(results, modes, tasks):
    good = {part: [row for row in results[part] if "error" not in row]
            for part in ("rates", "end_to_end", "latency", "memory")}  # fmt: skip
    plain = [(row["task"], row["mode"], row["threads"]) for row in good["rates"]
             if row["kernel"] == "plain"]  # fmt: skip
    expected = [(task, mode, n) for task in tasks for mode in modes for n in (1, 2)]
    require(plain == expected, "plain rows:", plain)
    for row in good["rates"]:
        check_rate(good["rates"], row)
    for data in results["data"]:
        check_densities(data, good["rates"])
    for row in good["end_to_end"]:
        check_end_to_end(row)
    for row in good["latency"]:
        check_latency(row)
    require([row["task"] for row in good["latency"] if row["kernel"] == "plain"] == tasks)
    for row in good["memory"]:
        require(row["batch_size"] == 8 and row["peak_memory_mb"] > 0, row)
    for part in ("rates", "end_to_end", "latency", "memory"):
        for row in results[part]:
            require("error" not in row or row["kernel"] == "fused", "plain failed:", row)
            require("\n" not in row.get("error", ""), row)


def check_table(text, results):
    for row in results["rates"]:
        figure = row.get("error", f"{row.get('jets_per_s', 0):.1f}")
        require(figure in text, figure, "is missing in the table:", text)


def measure(program, folder, *words):
    file = folder / "bench.json"
    result = run(program, "--quick", "--json", file, *words)
    require(result.returncode == 0, "status", result.returncode, result.stderr)
    results = json.loads(file.read_text())
    check_table(result.stdout, results)
    return results


def check_refusals(program):
    for words, expected in (
        (["--task", "bottom"], "'bottom' is none of top, qg"),
        (["--threads", "0"], "--threads"),
        (["--seconds", "-1"], "--seconds"),
        (["--checkpoint", "no-such.pt", "--task", "qg"], "no-such.pt"),
        (["--checkpoint", "no-such.pt"], "--task"),
        (["--datadir", "no-such-folder"], "no-such-folder"),
        (["--sconds", "1"], "sconds"),
    ):
        result = run(program, *words)
        lines = [line for line in result.stderr.splitlines() if not line.startswith("measuring")]
        require(result.returncode == 2, words, "status", result.returncode)
        require(len(lines) == 1 and expected in lines[0], words, lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0], allow_abbrev=False)
    parser.add_argument("--bin", type=Path, default=PROJECT / "build" / "release" / "bin")
    program = parser.parse_args().bin.resolve() / "lorentznet_bench"
    check_refusals(program)
    with tempfile.TemporaryDirectory(prefix="lorentznet-bench-") as name:
        folder = Path(name)
        both = ("inference", "training")
        check_results(measure(program, folder, "--threads", "1,2"), both, ["top", "qg"])
        # End to end, the plain kernel is measured only if no other is.
        plain = measure(program, folder, "--threads", "1,2", "--kernel", "plain", "--task", "qg")
        check_results(plain, both, ["qg"])
        require([row["mode"] for row in plain["end_to_end"] if "error" not in row]
                == ["inference"] * 2 + ["training"] * 2, "end to end:", plain)  # fmt: skip
    print("the output of the bench program is consistent")


if __name__ == "__main__":
    main()
