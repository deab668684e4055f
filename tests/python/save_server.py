"""The saves of scripts/plots and of the Python package, each in a fork of this process, by the protocol of
tests/tools/fork_server.h: a run is "save_server SAVE FOLDER VERSION". An error is a line on stderr and status 2, as of
scripts/report.py."""

import io
import os
import signal
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "scripts"))
import package_sources  # noqa: E402
import prepared  # noqa: E402

prepared.need("numpy", "matplotlib", "mplhep")
from matplotlib import pyplot  # noqa: E402
from plots import files, style  # noqa: E402

whole_files = package_sources.load("whole_files")  # by which the package saves scores, ONNX files and downloads


def save_report(folder: Path, version: int):
    files.write_whole(folder / "report.html", f"<p>{version}".encode() * 1000)


def save_picture(folder: Path, version: int):
    style.save(pyplot.figure(figsize=(version, 1)), folder / "plots", "roc")


def save_scores(folder: Path, version: int):
    whole_files.write_whole(folder / "scores.npz", f"{version}".encode() * 3000)


def save_network(folder: Path, version: int):
    network = folder / "cache" / "top"
    whole_files.make_folder(str(network))
    whole_files.write_together(str(network), {"args.json": b'{"epochs": %d}' % version, "model.pt": b"%d" % version * 3000})


SAVES = {"report": save_report, "picture": save_picture, "scores": save_scores, "network": save_network}


def run(save: str, folder: str, version: str) -> int:
    try:
        SAVES[save](Path(folder), int(version))
    except OSError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


def child(seconds: str, out: str, err: str, count: str, *words: str):
    for file, descriptor in ((out, 1), (err, 2)):
        os.dup2(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), descriptor)
    signal.alarm(int(seconds))
    status = 1
    try:
        status = run(*words[1 : int(count)])
        sys.stderr.flush()
    finally:
        os._exit(status)


def main():
    for form in ("png", "pdf"):  # which loads fonts
        pyplot.figure(figsize=(1, 1)).savefig(io.BytesIO(), format=form)
    while line := sys.stdin.buffer.readline():
        words = [os.fsdecode(word) for word in sys.stdin.buffer.read(int(line)).split(b"\0")[:-1]]
        process = os.fork()
        if process == 0:
            child(*words)
        print(os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]), flush=True)


if __name__ == "__main__":
    main()
