#!/usr/bin/env python3
"""Measures how fast full-size data sets are read, in turn by our reader, by bare decompression of the same
file and by the usual Python package; then the time and memory of a program up to its first batch.

    pip install --target FOLDER pandas tables energyflow        # for the comparison; not part of setup.sh
    PYTHONPATH=FOLDER python3 bench/reading.py --folder BIG     # 12 GB of files, written once and kept

The files repeat the jets of --top and --qg (by default the shipped ones). Each file is read once before
it is timed, so it is in the page cache. Ratios are taken in each round; their medians are printed.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
import zipfile
import zlib
from pathlib import Path
from unittest import mock

PROJECT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(PROJECT / "scripts"))
import prepared  # noqa: E402

prepared.need("tables", "numpy", from_setup=False,
              install="pip install --target FOLDER pandas tables energyflow; PYTHONPATH=FOLDER uses it")  # fmt: skip

import numpy as np  # noqa: E402
import tables  # noqa: E402

BLOCK = 1 << 20


# The files -----------------------------------------------------------------------------------------


def repeated(arrays, jets):
    """Yields the rows of `arrays` repeatedly, in blocks of up to 50,000."""
    size = len(next(iter(arrays.values())))
    for first in range(0, jets, 50_000):
        rows = np.arange(first, min(first + 50_000, jets)) % size
        yield {name: values[rows] for name, values in arrays.items()}


def make_table(file, arrays, jets):
    """As pandas wrote the published files, with to_hdf(..., format="table", complib="blosc", complevel=9)."""
    import pandas

    names = [f"{name}_{i}" for i in range(200) for name in ("E", "PX", "PY", "PZ")]
    truth = ["truthE", "truthPX", "truthPY", "truthPZ"]
    with pandas.HDFStore(file, "w", complib="blosc", complevel=9) as store:
        first = 0
        for block in repeated(arrays, jets):
            count = len(block["is_signal"])
            values = np.hstack([block["Pmu"].reshape(count, 800), block["truth_Pmu"]]).astype(np.float32)
            frame = pandas.DataFrame(values, columns=names + truth, index=np.arange(first, first + count))
            frame = frame.assign(ttv=np.int64(0), is_signal_new=block["is_signal"].astype(np.int64))
            store.append("table", frame, expectedrows=jets, index=False)
            first += count


def make_top(folder, source, jets):
    import h5py

    folder.mkdir(parents=True, exist_ok=True)
    with h5py.File(source / "train.h5") as sample:
        arrays = {name: sample[name][:] for name in ("Pmu", "truth_Pmu", "is_signal")}
    for name, count in (("train.h5", jets), ("val.h5", jets // 3)):
        if not (folder / name).exists():
            make_table(folder / "part", arrays, count)
            (folder / "part").rename(folder / name)
    if not (folder / "test.h5").exists():
        os.link(folder / "val.h5", folder / "test.h5")


def make_qg(folder, source, jets):
    """Files of 100,000 jets, like the published ones; all are links to the same file."""
    (folder / "datasets").mkdir(parents=True, exist_ok=True)
    first = folder / "datasets" / "QG_jets.npz"
    if not first.exists():
        with np.load(next(iter(sorted((source / "datasets").glob("*.npz"))))) as sample:
            arrays = {name: sample[name] for name in ("X", "y")}
        blocks = list(repeated(arrays, 100_000))
        np.savez_compressed(folder / "part.npz", **{n: np.concatenate([b[n] for b in blocks]) for n in arrays})
        (folder / "part.npz").rename(first)
    for number in range(1, jets // 100_000):
        other = folder / "datasets" / f"QG_jets_{number}.npz"
        if not other.exists():
            os.link(first, other)


# Reading one file ----------------------------------------------------------------------------------


class OurReader:
    """build/release/bin/reading_tool, which prints the seconds for each file."""

    def __init__(self, tool, task):
        self.process = subprocess.Popen([tool, task], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def __call__(self, file):
        self.process.stdin.write(f"{file}\n")
        self.process.stdin.flush()
        word, *rest = self.process.stdout.readline().split()
        if word != "jets":
            raise RuntimeError(" ".join([word, *rest]))
        return float(rest[3])


def timed(function):
    def seconds(file):
        begin = time.perf_counter()
        function(file)
        return time.perf_counter() - begin

    return seconds


def decompress_table(file):
    with tables.open_file(str(file)) as opened:
        table = opened.root.table.table
        for first in range(0, table.nrows, 5000):
            table.read(first, first + 5000)


def decompress_npz(file):
    """Only zlib, on the compressed bytes of the archive."""
    with zipfile.ZipFile(file) as archive, open(file, "rb") as raw:
        for entry in archive.infolist():
            raw.seek(entry.header_offset + 26)
            name, extra = np.frombuffer(raw.read(4), "<u2")
            raw.seek(int(name) + int(extra), os.SEEK_CUR)
            stream, left = zlib.decompressobj(-15), entry.compress_size
            while left > 0:
                part = raw.read(min(BLOCK, left))
                left -= len(part)
                stream.decompress(part)


def with_pandas(file):
    import pandas

    pandas.read_hdf(file, "table")


def with_energyflow(file):
    """EnergyFlow's own code without its check of the published checksum."""
    sys.modules.setdefault("wasserstein", mock.MagicMock())  # used elsewhere in EnergyFlow; needs an older numpy
    from energyflow.datasets import qg_jets

    qg_jets._get_filepath = lambda *_, **__: str(file)
    qg_jets.load(num_data=100_000)


def compare_reading(name, file, readers, rounds):
    seconds = {reader: [] for reader in readers}
    for round_ in range(rounds + 1):
        for reader, read in readers.items():
            spent = read(file)
            if round_ > 0:
                seconds[reader].append(spent)
    ratio = {r: statistics.median(a / b for a, b in zip(seconds[r], seconds["ours"], strict=True)) for r in readers}
    print(f"\n{name}: {file} ({file.stat().st_size / 1e6:.0f} MB)")
    for reader, times in seconds.items():
        print(f"  {reader:24} {statistics.median(times):8.2f} s   {ratio[reader]:6.2f} times ours")
    return {"seconds": seconds, "ratio_to_ours": ratio}


# Starting a program --------------------------------------------------------------------------------


def memory_mb(pid):
    """Anonymous and file-backed memory of a process, and its peak in total."""
    with open(f"/proc/{pid}/status") as status:
        fields = dict(line.split(":", 1) for line in status)
    return {name: int(fields[name].split()[0]) / 1024 for name in ("RssAnon", "RssFile", "VmHWM")}


def first_batch(program, words):
    """Seconds from the start of a program to the line of its first batch, and its memory at that time."""
    begin = time.perf_counter()
    process = subprocess.Popen([program, *map(str, words)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    lines = []
    for line in process.stdout:
        lines.append(line)
        if line.startswith(">> train"):
            break
    else:
        raise RuntimeError("".join(lines[-3:]))
    result = {"seconds": time.perf_counter() - begin, **memory_mb(process.pid)}
    process.kill()
    process.stdout.close()
    process.wait()
    return result


def compare_starts(name, program, datadir, logs, more):
    words = ["--datadir", datadir, "--logdir", logs, "--exp_name", "start", "--overwrite", "--log_interval", 1, *more]
    starts = {}
    for start, flags in (("no cache", ["--no_cache"]), ("first", []), ("second", []), ("third", [])):
        starts[start] = first_batch(program, [*words, *flags])
        print(f"  {name}, {start:9}" + "".join(f"  {k} {v:9.2f}" for k, v in starts[start].items()), flush=True)
    return starts


def main():
    flags = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    flags.add_argument("--folder", type=Path, required=True)
    flags.add_argument("--bin", type=Path, default=PROJECT / "build" / "release" / "bin")
    flags.add_argument("--top", type=Path, default=PROJECT / "data" / "top")
    flags.add_argument("--qg", type=Path, default=PROJECT / "data" / "qg")
    flags.add_argument("--jets-top", type=int, default=1_200_000)
    flags.add_argument("--jets-qg", type=int, default=2_000_000)
    flags.add_argument("--rounds", type=int, default=3)
    flags.add_argument("--json", type=Path)
    arguments = flags.parse_args()
    top, qg = arguments.folder / "top", arguments.folder / "qg"
    make_top(top, arguments.top, arguments.jets_top)
    make_qg(qg, arguments.qg, arguments.jets_qg)

    tool, logs = arguments.bin / "reading_tool", arguments.folder / "logs"
    results = {
        "top, table (blosc)": compare_reading("top, table (blosc)", top / "val.h5", {
            "ours": OurReader(tool, "top"), "decompression (PyTables)": timed(decompress_table),
            "pandas": timed(with_pandas)}, arguments.rounds),
        "quark/gluon, npz": compare_reading("quark/gluon, npz", qg / "datasets" / "QG_jets.npz", {
            "ours": OurReader(tool, "qg"), "decompression (zlib)": timed(decompress_npz),
            "EnergyFlow": timed(with_energyflow)}, arguments.rounds),
    }  # fmt: skip
    print("\nTo the first batch of a training: seconds, memory in MB")
    results["start, top"] = compare_starts("top", arguments.bin / "top_tagging", top, logs / "top", [])
    whole = ["--num_data", arguments.jets_qg]
    results["start, quark/gluon"] = compare_starts("qg", arguments.bin / "qg_tagging", qg, logs / "qg", whole)
    if arguments.json:
        arguments.json.write_text(json.dumps(results, indent=2))


if __name__ == "__main__":
    main()
