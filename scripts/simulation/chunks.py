"""The work in chunks, each with its own seed and file: any number of processes, interrupted at any time, make the
same jets."""

import fcntl
import json
import multiprocessing
import os
import shutil
import signal
import sys
import threading
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tqdm import tqdm

from .command import write_text
from .errors import SimulationError
from .generator import simulate
from .jets import Jets

LARGEST_SEED = 900_000_000  # Pythia's
CHUNK_JETS = 250  # a few seconds of work; another value gives other jets for the same seed


@dataclass(frozen=True)
class Chunk:
    process: str
    number: int
    n_jets: int
    seed: int  # Pythia's

    @property
    def file_name(self):
        return f"{self.process}-{self.number:06d}.npz"


def plan(n_jets, seed):
    """The chunks for {process: jets}. Pythia's seeds count up from a start drawn from `seed`, so that no two chunks
    share one."""
    start = int(np.random.SeedSequence(seed).generate_state(1, np.uint64)[0] % LARGEST_SEED)
    chunks = []
    for rank, (process, total) in enumerate(n_jets.items()):
        for number, first in enumerate(range(0, total, CHUNK_JETS)):
            own_seed = 1 + (start + number * len(n_jets) + rank) % LARGEST_SEED
            chunks.append(Chunk(process, number, min(CHUNK_JETS, total - first), own_seed))
    return chunks


class WorkFolder:
    """Finished chunks and the arguments with which they were made."""

    def __init__(self, path: Path, arguments):
        self.path = path
        path.mkdir(parents=True, exist_ok=True)
        self._lock()
        wanted = json.dumps(arguments, indent=1)
        manifest = path / "arguments.json"
        if not manifest.exists():
            write_text(manifest, wanted)
        elif manifest.read_text() != wanted:
            raise SimulationError(
                f"{path} holds an unfinished run with other arguments ({_difference(manifest.read_text(), arguments)}): "
                "finish that run or delete the folder"
            )

    def _lock(self):
        self.lock = open(self.path / "lock", "w")
        try:
            fcntl.flock(self.lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise SimulationError(f"{self.path}: another run is using this folder") from error

    def file(self, chunk):
        return self.path / chunk.file_name

    def load(self, chunks, process):
        return Jets.concatenate([Jets.load(self.file(chunk)) for chunk in chunks if chunk.process == process])

    def remove(self):
        shutil.rmtree(self.path)
        self.lock.close()


def _difference(manifest, arguments):
    try:
        there = json.loads(manifest)
        changed = [name for name in arguments if there.get(name) != arguments[name]]
        return ", ".join(f"{name}: {there.get(name)} there, {arguments[name]} here" for name in changed)
    except ValueError:
        return "arguments.json is damaged"


def _start_worker():
    # Hides FastJet's banner, which each process prints to stdout. The parent reports interrupts.
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent():
    """A parent that is killed cannot end its workers, which would wait forever."""
    multiprocessing.parent_process().join()
    os._exit(1)


def _make(processes, chunk, path):
    simulate(processes[chunk.process], chunk.n_jets, chunk.seed).save(path)
    return chunk.n_jets


def make_missing(processes, chunks, folder, jobs):
    """Simulates the chunks without a file; processes: {name: Process}."""
    missing = [chunk for chunk in chunks if not folder.file(chunk).exists()]
    total = sum(chunk.n_jets for chunk in chunks)
    done = total - sum(chunk.n_jets for chunk in missing)
    interval = 0.5 if sys.stderr.isatty() else 30.0  # [s]; fewer lines in a log file
    # spawn: a fork would share the state of its parent's Pythia and FastJet.
    context = multiprocessing.get_context("spawn")
    workers = ProcessPoolExecutor(jobs, mp_context=context, initializer=_start_worker)
    with tqdm(total=total, initial=done, unit=" jets", mininterval=interval) as bar:
        try:
            for future in as_completed([workers.submit(_make, processes, c, folder.file(c)) for c in missing]):
                bar.update(future.result())
        except BrokenProcessPool as error:
            raise SimulationError("a worker process died (out of memory?): run the same command again") from error
        finally:
            workers.shutdown(wait=True, cancel_futures=True)
