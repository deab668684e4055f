"""Which results in an experiment's folder are of the same network and the same jets.

test-result.json, test-uncertainty.json, boost-*.json and equivariance.json say in `of` what they are of: the
SHA-256 of the checkpoint, and of the files of jets with the rows used. A later test, or a training that went on,
leaves results of earlier ones behind; these must not appear next to its own.
"""

import hashlib
from pathlib import Path


def sha256(file: Path) -> str:
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def of(result: dict) -> dict | None:
    return result["of"] if isinstance(result.get("of"), dict) else None


def reference(results: dict[str, dict], folder: Path) -> dict | None:
    """The `of` of test-result.json, or of the newest other result; None if none has one (older programs)."""
    names = sorted((name for name in results if of(results[name])),
                   key=lambda name: (name != "test-result.json", -(folder / name).stat().st_mtime))  # fmt: skip
    return of(results[names[0]]) if names else None


def stale(results: dict[str, dict], folder: Path, model: Path) -> list[str]:
    """The names in `results`, {file name: content} in the folder, and perhaps "score.npy", that must be left out;
    model: the checkpoint of the experiment."""
    found = []
    scores = folder / "score.npy"
    network = sha256(model) if model.exists() else None
    if network is not None:
        found = [name for name, result in results.items() if (of(result) or {}).get("checkpoint", network) != network]
    expected = reference({name: result for name, result in results.items() if name not in found}, folder)
    if expected is not None:
        found += [name for name, result in results.items() if name not in found and of(result) != expected]
    described = results.get("test-result.json", {}).get("provenance")
    tested = described.get("score.npy") if isinstance(described, dict) else None
    if scores.exists() and tested is not None and ("test-result.json" in found or tested != sha256(scores)):
        found.append("score.npy")
    return sorted(found)
