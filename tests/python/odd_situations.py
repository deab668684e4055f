"""The table of check_odd_situations.py: flags, paths, surroundings, limits and damaged files that users meet.

A Situation names a command and how it may end. `{kept}`, `{data}` ... in its words stand for paths of the World.
"""

import os
import resource
import signal
import socket
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import Callable

OK, REFUSED, LATE = {0}, {2}, {1}  # LATE: found only when it happens, such as a stdout that breaks
EITHER = {0, 2}


@dataclass
class Situation:
    name: str
    words: list  # of the command
    program: str = "qg_tagging"
    ends: set = field(default_factory=lambda: REFUSED)  # exit statuses
    says: str = ""  # a regular expression that the line of an error contains
    env: dict = field(default_factory=dict)  # None removes a variable
    prepare: Callable | None = None  # called with the World before the run
    limit: Callable | None = None  # called in the new process
    stdout: str | None = None  # a file in place of a pipe
    cwd: str | None = None


# Values that a flag of numbers never takes, then what each one refuses besides.
NO_NUMBERS = ("", " ", "ten", "0x10", "1_000", "1,5", "+3", " 3", "3 ", "nan", "-nan", "1e999", "٣", "--", "-")
BAD_NUMBERS = {
    "batch_size": ("0", "-1", "1.5", "1e3", "9223372036854775808"),
    "num_data": ("-2", "1.5"),
    "epochs": ("0", "-1", "2.5"),
    "warmup_epochs": ("-1", "0.5"),
    "c_weight": ("inf", "-inf"),
    "seed": ("-1", "18446744073709551616"),
    "log_interval": ("0", "-5"),
    "val_interval": ("0", "-5"),
    "dropout": ("1", "-0.1", "2", "inf"),
    "lr": ("0", "-1e-3", "inf"),
    "n_hidden": ("0", "-72", "7.2"),
    "n_layers": ("0", "-6"),
    "num_workers": ("-1", "0.5"),
    "weight_decay": ("-1", "inf"),
    "local_rank": ("-1", "zero"),
    "n_nodes": ("0", "-1", "139.5"),
    "boost": ("1", "-1", "0.3,", ",0.3", "0.3,,0.4", "0.3;0.4", "inf", "2e0"),
    "equivariance": ("0", "-1", "1.5"),
    "timeout": ("0", "-1", "1m"),
}  # fmt: skip
BAD_WORDS = {
    "pooling": ("", "sum", "Jet", "jet ", "batch,jet"),
    "coordinates": ("", "half", "Double", "float32"),
    "on_bad_jet": ("", "ignore", "Skip", "0"),
    "generator": ("", "sherpa", "Pythia"),
    "device": ("gpu", "CPU", "cuda:", "cuda:99", "cuda:-1", "cpu:0", "mps"),
    "kernel": ("", "fast", "Fused", "cuda"),
    "precision": ("", "fp16", "bf32", "double"),
    "boost_axis": ("", "w", "X", "xy"),
    "exp_name": ("", ".", "..", "../up", "a/../b", "/absolute", "a\0b", "\udcff"),
}  # fmt: skip
SWITCHES = ("test_mode", "no_beams", "no_cache", "download", "with_bc", "rotate", "report", "verbose", "quiet",
            "resume", "overwrite")  # fmt: skip
UNKNOWN = ("--epoch", "--exp", "--n-hiddens", "---epochs=1", "--=3", "-e", "-x", "--epochs:3", "epochs=3", "--EPOCHS=3",
           "--num_train=5", "/epochs", "−−epochs=3", "--épochs=3", "\x1b[31m--epochs", "--epochs=3=4")  # fmt: skip
CONTRADICTIONS = (
    ["--resume", "--overwrite", "--exp_name=x"], ["--test_mode", "--resume", "--exp_name=x"],
    ["--test_mode", "--overwrite", "--exp_name=x"], ["--test_mode"], ["--resume"], ["-q", "-v"], ["--rotate"],
    ["--boost_axis=x"], ["--equivariance=3"], ["--pooling=jet", "--n_nodes=9"], ["--pooling=batch", "--n_nodes=9"],
    ["--precision=bf16"], ["--precision=bf16", "--kernel=plain", "--test_mode", "--exp_name=x"],
    ["--kernel=fused", "--coordinates=float"], ["--kernel=fused", "--n_hidden=4"], ["--kernel=fused", "--n_hidden=300"],
    ["--epochs=1", "--epochs=2", "--epochs"], ["--test_data"], ["--test_data", "--epochs=1"], ["--exp_name"],
)  # fmt: skip


def flags():
    """Bad values of every flag, at the command line alone: no file is read."""
    start = ["--datadir={folder}/none", "--logdir={folder}/logs"]
    for name, values in BAD_NUMBERS.items():
        for value in (*values, *NO_NUMBERS):
            yield Situation(f"--{name}={value!r}", [*start, f"--{name}={value}"], says=f"--{name}")
    for name, values in BAD_WORDS.items():
        for value in values:
            if "\0" not in value:  # no command line can hold it
                words = [*start, f"--{name}={value}"]
                # Without a name a training gets a random one; here there are no jets either.
                yield Situation(f"--{name}={value!r}", words, says="" if value == "" else f"--{name}")
    for name in SWITCHES:
        for value in ("", "yes", "1", "false"):
            yield Situation(f"--{name}={value!r}", [*start, f"--{name}={value}"], says=f"--{name}")
    for word in UNKNOWN:
        yield Situation(f"unknown {word!r}", [*start, word], says="flag|word|'")
    for words in CONTRADICTIONS:
        yield Situation(" ".join(words), [*start, *words], says="--")
    yield Situation("a very long value", [*start, "--epochs=" + "9" * 100_000], says="--epochs")
    yield Situation("a very long name", [*start, "--" + "x" * 100_000])
    yield Situation("thousands of words", [*start, "--test_data", *["none"] * 5000])
    yield Situation("an empty word", [*start, ""])
    yield Situation("help with an error", [*start, "--help", "--epochs=0"], ends=EITHER)


def odd_files(world) -> dict[str, Path]:
    """Files that are no data, each made once."""
    folder = world.folder / "odd files"
    names = {name: folder / name for name in (
        "missing", "empty", "folder", "fifo", "loop", "dangling", "text", "zeros", "socket", "short", "through-a-file")}  # fmt: skip
    names["through-a-file"] = folder / "empty" / "below"
    names["null"], names["endless"], names["memory"] = (Path("/dev/null"), Path("/dev/zero"), Path("/proc/self/mem"))
    names["long"], names["longest"] = folder / ("n" * 255), folder / ("n" * 300)
    names["deep"] = folder.joinpath(*["d" * 200] * 30)
    names["newline"], names["escape"] = folder / "a\nb", folder / "\x1b[31mred"
    names["bytes"] = folder / "\udcff\udcfe"
    if folder.exists():
        return names
    (folder / "folder").mkdir(parents=True)
    (folder / "empty").touch()
    (folder / "text").write_text("no jets\n" * 100)
    (folder / "zeros").write_bytes(bytes(100_000))
    (folder / "short").write_bytes(b"PK\x03\x04")
    os.mkfifo(folder / "fifo")
    (folder / "loop").symlink_to("loop")
    (folder / "dangling").symlink_to("nowhere")
    with socket.socket(socket.AF_UNIX) as end:
        here = os.getcwd()
        os.chdir(folder)  # the name of a socket may have no more than 107 bytes
        end.bind("socket")
        os.chdir(here)
    return names


def paths(world):
    """Odd files in place of data, checkpoints and folders; then odd names that are as good as others."""
    for kind, path in odd_files(world).items():
        test = ["--test_mode", "--logdir={folder}", "--exp_name=kept"]
        new = ["--logdir={folder}/new logs", "--exp_name=new", *world.small]
        yield Situation(f"--test_data {kind}", [*test, "--test_data", path])
        yield Situation(f"--datadir {kind}", [*test, "--datadir", path])
        yield Situation(f"--init_from {kind}", [*new, "--datadir={data}", "--init_from", path])
        yield Situation(f"top --test_data {kind}", [*test, "--test_data", path], program="top_tagging")
        yield Situation(f"top --datadir {kind}", [*new, "--datadir", path], program="top_tagging")
        yield Situation(f"jets info {kind}", ["info", path], program="jets")
        yield Situation(f"--logdir {kind}", ["--test_mode", "--logdir", path, "--exp_name=kept", "--datadir={data}"])
        if kind not in ("missing", "folder", "newline", "escape", "long"):
            # A folder with this name can't be made (of bytes that are no text: refused, since JSON can't hold them).
            yield Situation(f"new --logdir {kind}", ["--logdir", path, "--exp_name=x", "--datadir={data}", *world.small])
    for name in ("with space", "it's", 'a "quote"', "tab\there", "line\nbreak", "ünïcödé-日本", "-dash", "a=b", "$HOME",
                 "*", "#", "a;b", "%s%n", "{}", "..."):  # fmt: skip
        words = ["--test_mode", "--logdir={folder}/names", f"--exp_name={name}", "--test_data={jets}"]
        yield Situation(f"an experiment called {name!r}", words, ends=OK,
                        prepare=lambda world, name=name: world.copy(f"names/{name}"))  # fmt: skip
        yield Situation(f"jets in a file called {name!r}", ["--test_mode", "--logdir={folder}", "--exp_name=kept",
                        "--test_data={folder}/links/" + name + ".npz"], ends=OK,
                        prepare=lambda world, name=name: world.link(name + ".npz"))  # fmt: skip
    yield Situation("the same file twice", ["--test_mode", "--logdir={folder}", "--exp_name=kept", "--test_data",
                                            "{jets}", "{jets}"], ends=OK)  # fmt: skip
    if os.getuid() != 0:
        yield Situation("a file without permission", ["--test_mode", "--logdir={folder}", "--exp_name=kept",
                        "--test_data={folder}/links/secret.npz"],
                        prepare=lambda world: world.secret("secret.npz"))  # fmt: skip


def surroundings(world):
    """Locales, variables, the current folder and the three streams. Without a reason to fail the scores are the same."""
    test = ["--test_mode", "--logdir={folder}", "--exp_name=kept", "--datadir={data}"]
    for locale in ("C", "POSIX", "C.UTF-8", "de_DE.UTF-8", "de_DE", "tr_TR.UTF-8", "ja_JP.EUC-JP", "xx_YY", "", "/etc"):
        for name in ("LC_ALL", "LANG", "LC_NUMERIC"):
            yield Situation(f"{name}={locale}", [*test, "--lr=1e-3"], ends=OK, env={name: locale})
    for name, values in {
        "HOME": (None, "", "/nonexistent"), "TMPDIR": ("/nonexistent", "", "/dev/null"), "PATH": (None, ""),
        "USER": (None,), "SHELL": (None, "/bin/false"), "TERM": (None, "dumb", "nonsense", ""),
        "COLUMNS": ("0", "1", "-5", "x"), "TZ": ("nonsense", ":/etc/passwd"), "PWD": ("/nonexistent",),
        "HDF5_PLUGIN_PATH": ("/nonexistent",), "LORENTZNET_CACHE": ("/dev/null", ""),
        "OMP_NUM_THREADS": ("1", "64"), "MALLOC_ARENA_MAX": ("1",), "LORENTZNET_SCRIPTS": ("/nonexistent",),
        "LORENTZNET_PUBLISHED_FILES": ("/nonexistent", "/dev/null"), "http_proxy": ("nonsense://",),
    }.items():  # fmt: skip
        for value in values:
            yield Situation(f"{name}={value!r}", test, ends=OK, env={name: value})
    for value in ("", "sse2", "AVX2", "avx1024"):
        yield Situation(f"LORENTZNET_ISA={value!r}", test, ends=EITHER, env={"LORENTZNET_ISA": value})
    for env in ({"RANK": "0"}, {"RANK": "x", "WORLD_SIZE": "1"}, {"RANK": "1", "WORLD_SIZE": "1"}, {"RANK": "-1",
                "WORLD_SIZE": "2"}, {"RANK": "0", "WORLD_SIZE": "0"}, {"RANK": "0", "WORLD_SIZE": "99999999999999"},
                {"RANK": "0", "WORLD_SIZE": ""}, {"WORLD_SIZE": "2"}, {"OMPI_COMM_WORLD_SIZE": "2"},
                {"OMPI_COMM_WORLD_RANK": "0", "OMPI_COMM_WORLD_SIZE": "x"}, {"LOCAL_RANK": "x"},
                {"RANK": "0", "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "x"},
                {"RANK": "0", "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "99999"}):  # fmt: skip
        yield Situation(f"a launcher's {env}", [*test, "--timeout=3"], ends={0, 1, 2}, env=env)
    # MKL ends every program that links LibTorch there, with a line of its own.
    yield Situation("the current folder is gone", test, cwd="gone")
    yield Situation("the current folder is /proc", test, ends=OK, cwd="/proc")
    yield Situation("stdout is full", test, ends=LATE, says="stdout", stdout="/dev/full")
    yield Situation("stdout is closed", test, ends={0, 1}, limit=lambda: os.close(1))
    yield Situation("stdin is closed", test, ends=OK, limit=lambda: os.close(0))
    yield Situation("--version, stdout full", ["--version"], ends=LATE, says="stdout", stdout="/dev/full")
    yield Situation("SIGPIPE ignored", test, ends=OK, limit=lambda: signal.signal(signal.SIGPIPE, signal.SIG_IGN))
    yield Situation("SIGCHLD ignored", test, ends=OK, limit=lambda: signal.signal(signal.SIGCHLD, signal.SIG_IGN))
    yield Situation("umask 777", test, ends=EITHER, limit=lambda: os.umask(0o777))
    yield Situation("nice 19", test, ends=OK, limit=lambda: os.nice(19))
    yield Situation("one processor", test, ends=OK, limit=lambda: os.sched_setaffinity(0, {min(os.sched_getaffinity(0))}))


def limited(kind, value):
    def limit():
        if kind == resource.RLIMIT_FSIZE:
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(kind, (value, value))

    return limit


def limits(world):
    """ulimit. Where the program can't even be loaded, the loader says so, with status 127."""
    test = ["--test_mode", "--logdir={folder}", "--exp_name=kept", "--datadir={data}"]
    train = ["--logdir={folder}/limited", "--exp_name=x", "--datadir={data}", *world.small]
    for name, kind, values in (
        ("files", resource.RLIMIT_NOFILE, (3, 4, 5, 6, 8, 10, 16, 32)),
        ("file size", resource.RLIMIT_FSIZE, (0, 1, 16, 500, 4096)),
        ("memory", resource.RLIMIT_AS, (50 << 20, 200 << 20, 500 << 20, 1 << 30, 2 << 30)),
        ("data", resource.RLIMIT_DATA, (1 << 20, 20 << 20, 100 << 20)),
        ("stack", resource.RLIMIT_STACK, (64 << 10, 256 << 10, 1 << 20)),
        ("core", resource.RLIMIT_CORE, (0,)), ("locked", resource.RLIMIT_MEMLOCK, (0,)),
    ):  # fmt: skip
        for value in values:
            for words, what in ((test, "test"), (train, "train")):
                yield Situation(f"{what}, limit of {name}: {value}", words, ends={0, 1, 2, 127},
                                limit=limited(kind, value))  # fmt: skip


def corrupted(content: bytes, pieces: int):
    """{name: damaged content}: cut, changed and grown in each of `pieces` regions."""
    size = len(content)
    for piece in range(pieces):
        place = size * piece // pieces
        yield f"cut at {place}", content[:place]
        for bit in (0x01, 0x80, 0xFF):
            changed = bytearray(content)
            changed[place] ^= bit
            yield f"byte {place} ^ {bit:#x}", bytes(changed)
        zeroed = bytearray(content)
        end = min(place + max(size // pieces, 1), size)
        zeroed[place:end] = bytes(end - place)
        yield f"zeros from {place} to {end}", bytes(zeroed)
    yield "one byte more", content + b"\0"
    yield "twice", content + content
    yield "a byte before", b"\0" + content


# Values of JSON that no program wrote.
JSON_VALUES = ("null", "true", '""', '"x"', "-1", "0", "1.5", "1e999", "99999999999999999999", "[]", "[1]", "{}", "NaN",
               '"\\ud800"', "[" * 5000)  # fmt: skip


def damaged_json(content: bytes):
    text = content.decode()
    for number, bad in enumerate(("", " ", "{", "[]", "null", "{}x", text[:-1], text + ",", text.replace(":", "=", 1), "\ufeff" + text,
                text.replace('"', "'"), "\0" + text)):  # fmt: skip
        yield f"text {number}, {bad[:12]!r}...", bad.encode()
    yield "bytes that are no text", b'{"exp_name": "\xff\xfe"}'
    lines = [number for number, line in enumerate(text.splitlines()) if ":" in line]
    for number in lines:
        for value in JSON_VALUES[number % 3 :: 3]:
            changed = text.splitlines()
            key, comma = changed[number].split(":", 1)[0], "," if changed[number].endswith(",") else ""
            changed[number] = f"{key}: {value}{comma}"
            yield f"line {number}, {key.strip()}: {value[:24]}", "\n".join(changed).encode()


def damaged(world):
    """Files of experiments and of jets, damaged in each region; those without checksums may still hold jets."""
    test = ["--test_mode", "--logdir={folder}", "--exp_name=damaged"]
    resume = ["--resume", "--logdir={folder}", "--exp_name=damaged", "--epochs=2"]

    def put(name, content):
        def prepare(world):
            (world.copy("damaged") / name).write_bytes(content)

        return prepare

    for name, words, pieces in (("best-val-model.pt", test, 12), ("training-state.pt", resume, 12)):
        for what, content in corrupted(world.good[name], pieces):
            yield Situation(f"{name}: {what}", [*words, "--datadir={data}"], ends=EITHER, prepare=put(name, content))
    for name, words in (("args.json", test), ("args.json", resume), ("train-result.json", test),
                        ("train-provenance.json", resume), ("test-result.json", test)):  # fmt: skip
        for what, content in damaged_json(world.good[name]):
            yield Situation(f"{words[0]} {name}: {what}", [*words, "--datadir={data}"], ends={0, 1, 2},
                            prepare=put(name, content))  # fmt: skip
    for name, source in world.jet_files.items():
        for what, content in corrupted(source.read_bytes(), 12):
            yield Situation(f"jets info {name}: {what}", ["info", f"{{folder}}/damaged-{name}"], program="jets",
                            ends=EITHER, prepare=lambda world, name=name, content=content: (
                                world.folder / f"damaged-{name}").write_bytes(content))  # fmt: skip
    for what, content in corrupted(world.jet_files["qg.npz"].read_bytes(), 3):
        yield Situation(f"--test_data qg.npz: {what}", ["--test_mode", "--logdir={folder}", "--exp_name=kept",
                        "--test_data={folder}/damaged.npz"], ends=EITHER,
                        prepare=lambda world, content=content: (world.folder / "damaged.npz").write_bytes(content))  # fmt: skip


def jets(world):
    """The command line of the program `jets`."""
    for words in ([], [""], ["info"], ["--help", "x"], ["inf"], ["INFO", "{jets}"], ["info", "--json"], ["info", "--xml", "{jets}"],
                  ["info", "{jets}", "--"], ["--json"], ["--version", "x"], ["{jets}"], ["info", ""], ["info", "{folder}"],
                  ["info", "{jets}", "{folder}/none"], ["info", "-"], ["info", "x" * 5000]):  # fmt: skip
        yield Situation(f"jets {words}"[:80], words, program="jets", ends={0, 2})
    for locale in ("C", "de_DE.UTF-8", "tr_TR.UTF-8"):
        yield Situation(f"jets info, LC_ALL={locale}", ["info", "{jets}"], program="jets", ends=OK, env={"LC_ALL": locale})
    yield Situation("jets info, stdout full", ["info", "{jets}"], program="jets", ends=LATE, stdout="/dev/full")
    yield Situation("jets info --json, stdout full", ["info", "--json", "{jets}"], program="jets", ends=LATE,
                    stdout="/dev/full")  # fmt: skip
    for limit in (3, 4, 5):
        yield Situation(f"jets info, {limit} files", ["info", "{jets}"], program="jets", ends={0, 1, 2, 127},
                        limit=limited(resource.RLIMIT_NOFILE, limit))  # fmt: skip


# Each group, and how many of its situations run in the short form.
GROUPS = {"flags": (lambda world: flags(), 14), "paths": (paths, 14), "surroundings": (surroundings, 10),
          "limits": (limits, 6), "damaged": (damaged, 14), "jets": (jets, 4)}  # fmt: skip


def special(path: Path) -> bool:
    """Whether it is neither a file nor a folder."""
    mode = path.lstat().st_mode
    return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode) or stat.S_ISLNK(mode))
