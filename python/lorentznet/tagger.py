"""The class Tagger."""

import json
import os
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lorentznet import _tagger, jets

# Jets that a thread scores at a time: milliseconds, so that Ctrl-C is heard and threads end together.
JETS_IN_BLOCK = 32
BLOCKS_OF_THREAD = 4


class Inputs(NamedTuple):
    """What a network takes."""

    task: str  #: "top" or "qg"
    constituents: str  #: what it takes besides four-momenta: "nothing", "pdgid" or "scalars"
    scalars: int  #: S, the scalars of a constituent, if it takes scalars; else 0
    classes: int  #: K, the probabilities of a jet; class 1 is signal (top, quark)


def _numbers(values: Any) -> str:
    return "(" + ", ".join(f"{value:.6g}" for value in values) + ")"


class Tagger:
    """A trained network. Call it with jets to score them.

    `path` is a checkpoint (best-val-model.pt). A published one does not say what it computes: then `args_json`, the
    args.json of its training, is read, or the one beside the checkpoint if `args_json` is None. Any number of threads
    may share a tagger. ValueError if the file is no checkpoint, is damaged, or does not compute its own test vectors.

    >>> import lorentznet
    >>> tagger = lorentznet.Tagger("logs/top/pretrained/best-val-model.pt")
    >>> tagger
    Tagger('logs/top/pretrained/best-val-model.pt', task='top', classes=2)
    """

    def __init__(self, path: str | os.PathLike[str], args_json: str | os.PathLike[str] | None = None):
        for file in (path, args_json):
            if file is not None:
                os.stat(file)  # FileNotFoundError, as Python's users expect it
        self._path = os.fspath(path)
        self._network = _tagger.Network(os.fsencode(path), os.fsencode(args_json or ""))

    @classmethod
    def published(cls, task: str, directory: str | os.PathLike[str] | None = None) -> "Tagger":
        """The published network of `task`, "top" or "qg": https://github.com/sdogsq/LorentzNet-release, licence GPL-3.0.

        It is not part of this package: its checkpoint and args.json (1 MB) are downloaded once, into `directory` or, if
        that is None, into $XDG_CACHE_HOME/lorentznet/published/TASK (~/.cache/...), both or none of them; size and
        SHA-256 are checked, also of files that are there. A warning of the logger "lorentznet" says so. Proxies are
        those of the environment. OSError if the download fails, ValueError if a file is not the published one.

        >>> import lorentznet
        >>> lorentznet.Tagger.published("top").inputs
        Inputs(task='top', constituents='nothing', scalars=0, classes=2)
        """
        from lorentznet import published  # its imports are for those who download

        if task not in published.TASKS:
            raise ValueError(f"task is {task!r}, expected 'top' or 'qg'")
        folder = os.path.join(published.cache(), "published", task) if directory is None else os.fspath(directory)
        return cls(published.fetch(task, folder))

    def __repr__(self) -> str:
        return f"Tagger({self._path!r}, task={self.inputs.task!r}, classes={self.classes})"

    @property
    def inputs(self) -> Inputs:
        """What the network takes.

        >>> import lorentznet
        >>> lorentznet.Tagger("logs/qg/pretrained/best-val-model.pt").inputs
        Inputs(task='qg', constituents='pdgid', scalars=0, classes=2)
        """
        network = self._network
        return Inputs(network.task, network.constituents, network.scalars, network.classes)

    @property
    def classes(self) -> int:
        """K, the number of probabilities of a jet.

        >>> import lorentznet
        >>> lorentznet.Tagger("logs/top/pretrained/best-val-model.pt").classes
        2
        """
        return self._network.classes

    @property
    def metadata(self) -> dict[str, Any]:
        """What the checkpoint says of itself, or args.json of a published one: what it computes.

        >>> import lorentznet
        >>> lorentznet.Tagger("logs/top/pretrained/best-val-model.pt").metadata["task"]
        'top'
        """
        described: dict[str, Any] = json.loads(self._network.metadata)
        return described

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the checkpoint.

        >>> import lorentznet
        >>> len(lorentznet.Tagger("logs/top/pretrained/best-val-model.pt").fingerprint)
        64
        """
        return self._network.fingerprint

    @property
    def instruction_set(self) -> str:
        """What computes: "avx512", "avx2" or "portable". Scores do not depend on it.

        >>> import lorentznet
        >>> tagger = lorentznet.Tagger("logs/top/pretrained/best-val-model.pt")
        >>> tagger.instruction_set in ("avx512", "avx2", "portable")
        True
        """
        return self._network.instruction_set

    @property
    def arrays(self) -> dict[str, NDArray[np.float64]]:
        """The network's arrays by their names in the state dict; new ones at each call.

        >>> import lorentznet
        >>> lorentznet.Tagger("logs/top/pretrained/best-val-model.pt").arrays["embedding.weight"].shape
        (72, 2)
        """
        return self._network.arrays()

    def __call__(
        self,
        p4: ArrayLike,
        *,
        pdgid: ArrayLike | None = None,
        scalars: ArrayLike | None = None,
        offsets: ArrayLike | None = None,
        threads: int = 1,
    ) -> NDArray[np.float32]:
        """Scores jets: probabilities [N, K], the same bits for any batch, order of jets and number of threads.

        `p4` holds (E, px, py, pz) in GeV:

        - [N, M, 4], padded: rows of zeros are no constituents, wherever they are;
        - [P, 4] with `offsets` [N+1]: jet j has the rows offsets[j] to offsets[j+1] - 1;
        - an awkward array of records N * var with the fields E, px, py, pz, or t, x, y, z, or pt, eta, phi, mass.

        `pdgid`, without the last axis of p4, and `scalars`, with one of length S, are given if and only if the network
        takes them (`inputs`). Types are float32, float64 or integers, in any memory order. A jet that cannot be scored
        is a JetError (a ValueError) with the jet's number and the reason. Other Python threads run while jets are
        scored.

        >>> import lorentznet
        >>> tagger = lorentznet.Tagger("logs/qg/pretrained/best-val-model.pt")
        >>> p4 = [[[100, 60, 0, 80], [50, 0, 30, 40], [0, 0, 0, 0]], [[50, 0, 30, 40], [0, 0, 0, 0], [0, 0, 0, 0]]]
        >>> padded = tagger(p4, pdgid=[[22, 22, 0], [22, 0, 0]])
        >>> padded.shape, padded.dtype
        ((2, 2), dtype('float32'))
        >>> flat = tagger([p4[0][0], p4[0][1], p4[1][0]], pdgid=[22, 22, 22], offsets=[0, 2, 3], threads=2)
        >>> bool((flat == padded).all())
        True
        """
        inputs = self.inputs
        jets.check_inputs(inputs.constituents, inputs.task, pdgid is not None, scalars is not None)
        if jets.is_awkward(p4):
            if offsets is not None:
                raise ValueError("offsets= is given, but an awkward array has its own")
            return self._score(jets.from_awkward(p4, pdgid, scalars, inputs.scalars), threads)
        return self._score(jets.from_arrays(p4, pdgid, scalars, offsets, inputs.scalars), threads)

    def _score(
        self, some_jets: jets.Jets, threads: int, done: Callable[[int], None] = lambda count: None
    ) -> NDArray[np.float32]:
        """`done` is called with the number of jets of each block."""
        if isinstance(threads, bool) or not isinstance(threads, int) or threads < 1:
            raise ValueError(f"threads is {threads!r}, expected a positive integer")
        count = len(some_jets)
        probabilities = np.empty((count, self.classes), np.float32)
        step = max(1, min(JETS_IN_BLOCK, -(-count // (BLOCKS_OF_THREAD * threads))))

        def score_block(begin: int) -> int:
            end = min(begin + step, count)
            block = some_jets.block(begin, end)
            status = np.empty(end - begin, np.uint8)
            if self._network.score(*block, probabilities[begin:end], status):
                raise self._refusal(block, status, begin)
            return end - begin

        for scored in _map(score_block, range(0, count, step), threads):
            done(scored)
        return probabilities

    def _refusal(self, block: jets.Block, status: NDArray[np.uint8], begin: int) -> jets.JetError:
        """Why the first bad jet of a block was not scored, with the constituent that is refused alone too."""
        jet = int(np.flatnonzero(status)[0])
        reason = _tagger.reason(int(status[jet]))
        for row in range(block.offsets[jet], block.offsets[jet + 1]):
            one = slice(row, row + 1)
            alone = jets.Block(np.array([0, 1]), block.p4[one], block.pdgid[one], block.scalars[one])
            found = np.empty(1, np.uint8)
            self._network.score(*alone, np.empty((1, self.classes), np.float32), found)
            if found[0] == status[jet]:
                reason += f": (E, px, py, pz) = {_numbers(alone.p4[0])}"
                if len(alone.pdgid):
                    reason += f", PDG id {alone.pdgid[0]}"
                if len(alone.scalars):
                    reason += f", scalars {_numbers(alone.scalars[0])}"
                break
        return jets.JetError(begin + jet, reason)


def _map(function: Callable[[int], int], items: range, threads: int) -> Iterator[int]:
    """As map(), with threads; the exception is that of the first item with one."""
    if min(threads, len(items)) <= 1:
        yield from map(function, items)
        return
    from concurrent.futures import ThreadPoolExecutor  # 10 ms that one thread need not wait for

    pool = ThreadPoolExecutor(min(threads, len(items)))
    try:
        yield from pool.map(function, items)
    finally:
        pool.shutdown(cancel_futures=True)
