"""The published networks, downloaded on request (Tagger.published)."""

import hashlib
import logging
import os
import time
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from lorentznet.whole_files import make_folder, write_together

SOURCE = "https://github.com/sdogsq/LorentzNet-release"
LICENCE = "GPL-3.0"
TASKS = ("top", "qg")
ARGS, CHECKPOINT = "args.json", "best-val-model.pt"
ATTEMPTS = 3
PATIENCE = 60  # seconds without a byte
MOST_BYTES = 1 << 26  # of a file whose size the table does not say


class PublishedFile(NamedTuple):
    """A row of the table of published files."""

    name: str
    sha256: str  #: "-" if it is not known
    url: str
    size: int  #: 0 if it is not known


def published_files(name: str) -> list[PublishedFile]:
    """Those of a set, from data/published_files.tsv or the table that LORENTZNET_PUBLISHED_FILES names."""
    path = os.environ.get("LORENTZNET_PUBLISHED_FILES") or os.path.join(os.path.dirname(__file__), "published_files.tsv")
    with open(path, encoding="utf-8") as file:
        rows = [line.rstrip("\n").split("\t") for line in file]
    found = []
    for number, row in enumerate(rows[1:], 2):
        size = row[4] if len(row) > 4 else "0"
        if len(row) not in (4, 5) or not size.isdecimal() or os.path.basename(row[1]) != row[1]:
            raise ValueError(f"{path}: line {number} is not a set, a file name, its SHA-256, its URL and, possibly, its size")
        if row[0] == name:
            found.append(PublishedFile(row[1], row[2], row[3], int(size)))
    if not found:
        raise ValueError(f"{path}: has no files of the set '{name}'")
    return found


def cache() -> str:
    """The folder for what can be downloaded again: $XDG_CACHE_HOME/lorentznet or ~/.cache/lorentznet."""
    base = os.environ.get("XDG_CACHE_HOME", "")
    if not os.path.isabs(base):  # as the specification asks
        base = os.path.join(os.path.expanduser("~"), ".cache")
    return os.path.join(base, "lorentznet")


def _check(content: bytes, file: PublishedFile) -> str:
    """Why these are not the bytes of the file, or ''."""
    if file.size and len(content) != file.size:
        return f"has {len(content)} bytes, expected {file.size}"
    found = hashlib.sha256(content).hexdigest()
    return f"has SHA-256 {found}, expected {file.sha256}" if file.sha256 not in ("-", found) else ""


def _get(url: str, most: int) -> bytes:
    import http.client  # tens of ms that nobody else needs to wait for
    import urllib.error
    import urllib.request

    if not url.startswith(("http://", "https://")):
        raise ValueError(f"{url}: neither http nor https")
    for attempt in range(ATTEMPTS):
        try:
            with urllib.request.urlopen(url, timeout=PATIENCE) as answer:
                content: bytes = answer.read(most + 1)
                announced = answer.headers.get("Content-Length")
                if announced is not None and len(content) < min(int(announced), most):
                    raise ConnectionError(f"the connection ended after {len(content)} of {announced} bytes")
                return content
        except (OSError, http.client.HTTPException) as error:
            refused = isinstance(error, urllib.error.HTTPError) and error.code < 500
            if refused or attempt + 1 == ATTEMPTS:
                raise OSError(f"{url}: {error}") from None
        time.sleep(2**attempt)
    raise AssertionError


def fetch(task: str, folder: str) -> str:
    """Downloads the published network of a task as far as it is not in `folder`. The path of the checkpoint."""
    files = published_files(f"{task}-network")
    missing = []
    for file in files:
        path = os.path.join(folder, file.name)
        if not os.path.exists(path):
            missing.append(file)
            continue
        with open(path, "rb") as there:
            reason = _check(there.read(), file)
        if reason:
            raise ValueError(f"{path}: is not the published file: {reason}")
    if missing:
        logging.getLogger("lorentznet").warning(
            "Downloading the published network into %s; it is of %s, licence %s", folder, SOURCE, LICENCE
        )
        download(missing, folder)
    return os.path.join(folder, CHECKPOINT)


def download(files: Iterable[PublishedFile], folder: str, names: Mapping[str, str] | None = None) -> None:
    """All of these files or none; `names`: those they get, if they are others."""
    contents = {}
    for file in files:
        content = _get(file.url, file.size or MOST_BYTES)
        reason = _check(content, file)
        if reason:
            raise ValueError(f"{file.url}: the file {reason}")
        contents[(names or {}).get(file.name, file.name)] = content
    make_folder(folder)
    write_together(folder, contents)
