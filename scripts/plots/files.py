"""Files that appear complete or not at all."""

import contextlib
import errno
import os
from pathlib import Path


@contextlib.contextmanager
def _opened(path: Path, flags: int):
    descriptor = os.open(path, flags | os.O_CLOEXEC, 0o666)
    try:
        yield descriptor
    finally:
        with contextlib.suppress(InterruptedError):  # it is closed even so
            os.close(descriptor)


@contextlib.contextmanager
def _naming(path: Path):
    """An OSError names the path; those of descriptors do not."""
    try:
        yield
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from None


def _sync_folder(folder: Path):
    """What gets a name is durable only after its folder is synced."""
    try:
        with _naming(folder), _opened(folder, os.O_RDONLY | os.O_DIRECTORY) as descriptor:
            os.fsync(descriptor)
    except OSError as error:  # a folder that may be written but not read; a file system that cannot sync folders
        if error.errno not in (errno.EACCES, errno.EINVAL):
            raise


def make_folder(folder: Path):
    """Also those above it."""
    if folder.exists():
        return
    make_folder(folder.parent)
    folder.mkdir(exist_ok=True)
    _sync_folder(folder.parent)


def write_whole(file: Path, content: bytes):
    """Writes a file, whose bytes are on disk before it has its name. OSError names it; an earlier file then stays."""
    partial = file.with_name(file.name + ".partial")
    try:
        with _naming(file):
            with _opened(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC) as descriptor:
                left = memoryview(content)
                while left:
                    left = left[os.write(descriptor, left) :]
                os.fsync(descriptor)
            os.replace(partial, file)
            _sync_folder(file.parent)
    except BaseException:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)
        raise
