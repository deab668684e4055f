"""Makes the files of this folder with numpy (any version from 1.23 on): python3 make.py"""

import io
import pathlib
import zipfile

import numpy as np

here = pathlib.Path(__file__).parent
cube = np.arange(24, dtype="<f8").reshape(2, 3, 4) / 8 - 1


def npy(array, **how):
    stream = io.BytesIO()
    np.lib.format.write_array(stream, array, **how)
    return stream.getvalue()


def entry(name, method):
    """An entry of a fixed date: the same bytes whenever this runs."""
    info = zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))
    info.compress_type = method
    return info


# What npy_bytes must reproduce byte for byte.
(here / "f4_1x3.npy").write_bytes(npy(np.array([[0.5, -1.25, 3.0]], dtype="<f4")))
(here / "f8_scalar.npy").write_bytes(npy(np.array(2.5)))
(here / "f8_cube.npy").write_bytes(npy(cube))
# A header that fills 128 bytes without padding: numpy then adds another 64.
(here / "f4_padded.npy").write_bytes(npy(np.zeros((0, 3) + (1,) * 10 + (10, 10), dtype="<f4")))

types = {
    "f8": "<f8", "f4": "<f4", "i8": "<i8", "i4": "<i4", "i2": "<i2", "i1": "|i1",
    "u8": "<u8", "u4": "<u4", "u2": "<u2", "u1": "|u1", "b1": "|b1",
}  # fmt: skip
for name, method in (("stored.npz", zipfile.ZIP_STORED), ("deflated.npz", zipfile.ZIP_DEFLATED)):
    with zipfile.ZipFile(here / name, "w", method) as archive:

        def add(key, array, zip64=False, **how):
            with archive.open(entry(key + ".npy", method), "w", force_zip64=zip64) as stream:
                stream.write(npy(array, **how))

        for key, descr in types.items():
            add(key, np.array([0, 1, 100]).astype(descr))
        add("negative", np.array([-1, -128], dtype="|i1"))
        add("cube", cube)
        add("cube_fortran", np.asfortranarray(cube))
        add("cube_zip64", cube, zip64=True)
        add("version2", cube, version=(2, 0))
        add("version3", cube, version=(3, 0))
        add("scalar", np.array(2.5))
        add("empty", np.zeros((0, 4)))
        add("big_endian", np.array([1.0], dtype=">f8"))
        add("records", np.zeros(2, dtype=[("pT", "<f4"), ("eta", "<f4")]))
        add("complex", np.zeros(2, dtype="<c16"))
        add("long", (np.arange(40000) % 251).astype("|u1").reshape(20000, 2))
