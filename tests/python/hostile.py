"""Malicious checkpoint files, made without torch: zip archives with pickles."""

import struct
import zipfile
from pathlib import Path

PROTOCOL, STOP = b"\x80\x02", b"."
MARK, TUPLE, REDUCE, BINPERSID = b"(", b"t", b"R", b"Q"
EMPTY_DICT, SET_ITEM, FALSE = b"}", b"s", b"\x89"


def text(value: str) -> bytes:
    return b"X" + struct.pack("<I", len(value)) + value.encode()


def integer(value: int) -> bytes:
    """LONG1, which holds any size."""
    size = value.bit_length() // 8 + 1
    return b"\x8a" + bytes([size]) + value.to_bytes(size, "little", signed=True)


def name(module: str, attribute: str) -> bytes:
    return f"c{module}\n{attribute}\n".encode()


def tuple_of(*parts: bytes) -> bytes:
    return MARK + b"".join(parts) + TUPLE


def tensor(key: str, numel: int, shape: tuple, strides: tuple, offset: int = 0) -> bytes:
    storage = tuple_of(text("storage"), name("torch", "FloatStorage"), text(key), text("cpu"),
                       integer(numel)) + BINPERSID  # fmt: skip
    sizes = (tuple_of(*map(integer, numbers)) for numbers in (shape, strides))
    hooks = name("collections", "OrderedDict") + b")" + REDUCE
    arguments = tuple_of(storage, integer(offset), *sizes, FALSE, hooks)
    return name("torch._utils", "_rebuild_tensor_v2") + arguments + REDUCE


def state(value: bytes) -> bytes:
    """A state dict with one entry."""
    return EMPTY_DICT + text("module.embedding.weight") + value + SET_ITEM


def call(module: str, attribute: str, argument: str) -> bytes:
    return name(module, attribute) + tuple_of(text(argument)) + REDUCE


def write(file: Path, pickle: bytes, compress: bool = False, **records: bytes) -> Path:
    """`pickle` is the value without protocol and stop; `records` are storages by key."""
    method = zipfile.ZIP_DEFLATED if compress else zipfile.ZIP_STORED
    with zipfile.ZipFile(file, "w", method, compresslevel=1) as archive:
        archive.writestr("archive/data.pkl", PROTOCOL + pickle + STOP)
        archive.writestr("archive/byteorder", "little")
        for key, content in records.items():
            archive.writestr(f"archive/data/{key}", content)
        archive.writestr("archive/version", "3\n")
    return file


def pickles(trap: Path) -> dict[str, bytes]:
    """Values that must be refused; those with calls would create the file `trap`."""
    small = dict(key="s", numel=4)
    return {
        "os-system": call("os", "system", f"touch {trap}"),
        "posix-system": state(call("posix", "system", f"touch {trap}")),
        "eval": state(call("builtins", "eval", f"open({str(trap)!r}, 'w')")),
        "open-in-build": call("builtins", "open", str(trap)) + EMPTY_DICT + b"b",
        "huge-shape": state(tensor(**small, shape=(1 << 40, 1 << 40), strides=(1, 1))),
        "huge-axis": state(tensor(**small, shape=(1 << 62,), strides=(4,))),
        "shape-of-no-stride": state(tensor(**small, shape=(1 << 33,), strides=(0,))),
        "huge-storage": state(tensor("s", 1 << 60, (4,), (1,))),
        "offset": state(tensor(**small, shape=(4,), strides=(1,), offset=1 << 61)),
        "negative-size": state(tensor(**small, shape=(-4,), strides=(1,))),
        "negative-stride": state(tensor(**small, shape=(4,), strides=(-1,), offset=3)),
        "negative-offset": state(tensor(**small, shape=(1,), strides=(1,), offset=-2)),
        "2^200": state(tensor("s", 1 << 200, (4,), (1,))),
        "storage-of-elsewhere": state(tensor("../../data.pkl", 4, (4,), (1,))),
        "many-axes": state(tensor(**small, shape=(1,) * 100000, strides=(1,) * 100000)),
        "deep-tuples": MARK * 200000 + TUPLE * 200000,
        "deep-lists": b"]" * 200000 + b"a" * 199999,
        "deep-dicts": EMPTY_DICT + b"q\x00" + (text("k") + EMPTY_DICT) * 100000 + b"s" * 100000,
        "itself": b"]q\x00h\x00a",
        "long-text": b"X\xff\xff\xff\x7fabc",
        "long-text-8": b"\x8d" + struct.pack("<Q", 1 << 63) + b"abc",
        "memo": b"j\xff\xff\xff\x7f",
        "memo-put": EMPTY_DICT + b"r\xff\xff\xff\x7f" + b"r\xff\xff\xff\xff",
        "empty-stack": b"tRs",
        "no-stop-value": b"",
        "unknown-opcode": b"\xff\xfe",
        "not-a-dict": integer(5),
        "numbers-for-tensors": state(integer(5)),
    }  # fmt: skip
