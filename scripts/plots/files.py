"""Files that appear complete or not at all: by the Python package's functions."""

import io
from pathlib import Path

import numpy as np
import package_sources

_whole_files = package_sources.load("whole_files")
make_folder, write_whole = _whole_files.make_folder, _whole_files.write_whole


def write_npz(file: Path, arrays: dict[str, np.ndarray]) -> None:
    """Compressed."""
    content = io.BytesIO()
    np.savez_compressed(content, **arrays)
    write_whole(file, content.getbuffer())
