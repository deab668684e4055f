"""Damaged files of every format: each gives the same jets or is refused with one line that names it; if no
checksum covers the damage, other valid jets are allowed. No crash, no hang, no more memory than the size of
the file + 64 MB.

    python check_corruption.py READING_TOOL [CORRUPTIONS PER FORMAT]      (default: 1000)
"""

import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

import numpy as np

import harness
from check_formats import write_table

SPARE_KB = 64 << 10
SECONDS = 10


def own_arrays():
    arrays = harness.top_arrays("test", 0, 40)
    return {"X": arrays["Pmu"][:, :90], "y": arrays["is_signal"].astype(np.int64),
            "scalars": np.ones((40, 90, 2), np.float32), "weight": np.linspace(0.5, 2, 40),
            "id": np.arange(40)}  # fmt: skip


def write_gzip(file):
    import h5py

    with h5py.File(file, "w") as out:
        for name, values in harness.top_arrays("test", 0, 40).items():
            out.create_dataset(name, data=values, compression="gzip", shuffle=True, chunks=True)


# Format: (reader, whether checksums cover all data, writer).
FORMATS = {
    "qg-stored": ("qg", True, lambda file: np.savez(file, **harness.qg_arrays(0, 60))),
    "qg-deflated": ("qg", True, lambda file: np.savez_compressed(file, **harness.qg_arrays(0, 60))),
    "own-stored": ("top", True, lambda file: np.savez(file, **own_arrays())),
    "own-deflated": ("top", True, lambda file: np.savez_compressed(file, **own_arrays())),
    "own-hdf5": ("top", False, lambda file: harness.write_h5(file, own_arrays())),
    "top-converted": ("top", False, write_gzip),
    "top-table": ("top", False, lambda file: write_table(file, harness.top_arrays("test", 0, 40))),
}


def damaged(content, rng):
    """A random corruption: its name and the damaged bytes."""
    data = bytearray(content)
    size = len(data)
    # Two thirds of the damage is in the first or last KB, where headers are.
    near = rng.integers(3)
    place = int(rng.integers(size) if near == 0 else rng.integers(min(1024, size)))
    place = size - 1 - place if near == 2 else place
    kind = ["cut", "flip", "flips", "swap", "huge", "zeros", "random"][rng.integers(7)]
    if kind == "cut":
        del data[place:]
    elif kind == "flip":
        data[place] ^= 1 << rng.integers(8)
    elif kind == "flips":
        for where in rng.integers(size, size=16):
            data[where] ^= 1 << rng.integers(8)
    elif kind == "swap":
        other, length = int(rng.integers(size)), 64
        first, second = data[place : place + length], data[other : other + length]
        data[place : place + len(second)] = second
        data[other : other + len(first)] = first
    elif kind == "huge":
        value = [2**63 - 1, 2**64 - 1, 2**32 - 1, 2**31, 2**40][rng.integers(5)]
        data[place : place + 8] = int(value).to_bytes(8, "little")
    elif kind == "zeros":
        data[place : place + 32] = bytes(32)
    else:
        data[place : place + 32] = rng.bytes(32)
    return kind, bytes(data)


def overwrite(file, content):
    """In place: files that are made anew each time cost more time than all readers."""
    with open(file, "r+b") as out:
        out.write(content)
        out.truncate()


class Reader:
    """Runs reading_tool, and starts it again when it has crashed."""

    def __init__(self, tool, reader):
        self.words, self.process = [tool, reader], None

    def read(self, file):
        if self.process is None:
            self.process = subprocess.Popen(self.words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.process.stdin.write(f"{file}\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        if not answer:
            status, self.process = self.process.wait(), None
            return f"crashed {status}"
        return answer.rstrip("\n")

    def close(self):
        if self.process:
            self.process.stdin.close()
            self.process.wait()
            self.process.stdout.close()


def judge(answer, file, good, content, checksummed):
    """The outcome for a file, and what is wrong with it or None."""
    word, *rest = answer.split(" ")
    if word == "refused":
        memory, seconds, message = rest[0], rest[1], " ".join(rest[2:])
        outcome = "refused"
        if not message.startswith(f"{file}: ") or len(message) > 600:
            return outcome, f"message: {message}"
    elif word == "jets":
        memory, seconds = rest[2], rest[3]
        outcome = "same" if rest[:2] == good else "other"
        if outcome == "other" and checksummed:
            return outcome, "other jets were read from a file with checksums"
    else:
        return word, answer
    if int(memory) > len(content) // 1024 + SPARE_KB:
        return outcome, f"{memory} KB of memory for a file of {len(content)} bytes"
    if float(seconds) > SECONDS:
        return outcome, f"{seconds} s"
    return outcome, None


def check(tool, name, corruptions, folder):
    reader_name, checksummed, write = FORMATS[name]
    suffix = ".npz" if "h5" not in name and not name.startswith("top") and name != "own-hdf5" else ".h5"
    file = Path(folder) / f"{name}{suffix}"
    write(file)
    content = file.read_bytes()
    reader = Reader(tool, reader_name)
    first = reader.read(file).split(" ")
    assert first[0] == "jets", first
    outcomes, wrong = Counter(), []
    for seed in range(corruptions):
        kind, bad = damaged(content, np.random.default_rng([seed, sum(name.encode())]))
        overwrite(file, bad)
        outcome, problem = judge(reader.read(file), file, first[1:3], bad, checksummed)
        outcomes[outcome] += 1
        if problem:
            wrong.append(f"{name}: corruption {seed} ({kind}): {problem}")
    reader.close()
    print(f"{name}: {len(content)} bytes, {corruptions} corruptions: {dict(outcomes)}, {len(wrong)} wrong", flush=True)
    return wrong


def main():
    tool, corruptions = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 1000
    with tempfile.TemporaryDirectory(prefix="lorentznet-") as folder:
        wrong = [problem for name in FORMATS for problem in check(tool, name, corruptions, folder)]
    for problem in wrong[:20]:
        print(problem)
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
