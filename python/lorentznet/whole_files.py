"""Files that appear complete or not at all, and are on disk once they have their names."""

import contextlib
import errno
import os
from collections.abc import Iterator, Mapping


@contextlib.contextmanager
def _opened(path: str, flags: int) -> Iterator[int]:
    descriptor = os.open(path, flags | os.O_CLOEXEC, 0o666)
    try:
        yield descriptor
    finally:
        with contextlib.suppress(InterruptedError):  # it is closed even so
            os.close(descriptor)


@contextlib.contextmanager
def _naming(path: str) -> Iterator[None]:
    """An OSError names the path; those of descriptors do not."""
    try:
        yield
    except OSError as error:
        raise OSError(error.errno, error.strerror, path) from None


def _sync_folder(folder: str) -> None:
    try:
        with _naming(folder), _opened(folder, os.O_RDONLY | os.O_DIRECTORY) as descriptor:
            os.fsync(descriptor)
    except OSError as error:  # a folder that may be written but not read; a file system that cannot sync folders
        if error.errno not in (errno.EACCES, errno.EINVAL):
            raise


def make_folder(folder: str) -> None:
    """Also those above it."""
    folder = os.path.abspath(folder)
    if os.path.isdir(folder):
        return
    above = os.path.dirname(folder)
    make_folder(above)
    with contextlib.suppress(FileExistsError):  # another process has made it
        os.mkdir(folder)
    _sync_folder(above)


def _write(partial: str, content: bytes) -> None:
    with _opened(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL) as descriptor:
        left = memoryview(content)
        while left:
            left = left[os.write(descriptor, left) :]
        os.fsync(descriptor)


def write_together(folder: str, contents: Mapping[str, bytes]) -> None:
    """Writes these files into a folder that exists. If that fails, none of them is there that was not before; OSError
    names the file."""
    partials = {os.path.join(folder, name): os.path.join(folder, f"{name}.{os.getpid()}.partial") for name in contents}
    new = [path for path in partials if not os.path.lexists(path)]
    try:
        for (path, partial), content in zip(partials.items(), contents.values(), strict=True):
            with _naming(path):
                _write(partial, content)
        for path, partial in partials.items():
            with _naming(path):
                os.replace(partial, path)
        _sync_folder(folder or os.curdir)
    except BaseException:
        for left in (*partials.values(), *(new if len(partials) > 1 else ())):
            with contextlib.suppress(OSError):
                os.remove(left)
        raise


def write_whole(path: str | os.PathLike[str], content: bytes) -> None:
    """Writes a file. OSError names it; an earlier file then stays."""
    folder, name = os.path.split(os.fspath(path))
    write_together(folder, {name: content})
