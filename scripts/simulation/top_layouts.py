"""The two layouts of published top-tagging jets. Both hold the same numbers: four-byte floats [GeV]."""

from pathlib import Path

import numpy as np

N_PARTICLES = 200
BLOCK = 10_000  # jets padded at a time
TTV = {"train": 0, "test": 1, "val": 2}


def _blocks(order):
    for first in range(0, len(order), BLOCK):
        yield slice(first, first + BLOCK), order[first : first + BLOCK]


def write_converted(path: Path, jets, order, labels, split):
    """One data set per quantity, as after the conversion described by the authors of LorentzNet."""
    import h5py

    shapes = {"Nobj": (), "Pmu": (N_PARTICLES, 4), "label": (N_PARTICLES,), "is_signal": ()}
    shapes |= {"truth_Pmu": (4,), "jet_pt": (), "mass": ()}
    with h5py.File(path, "w") as file:
        for name, shape in shapes.items():
            dtype = "i2" if name in ("Nobj", "label", "is_signal") else "f8"
            # 128 jets of Pmu are 0.8 MB, which fits HDF5's default chunk cache of 1 MB
            rows = min(len(order), 128 if shape else 8192)
            storage = {"chunks": (rows, *shape), "compression": "gzip", "compression_opts": 9, "shuffle": True}
            file.create_dataset(name, (len(order), *shape), dtype, **storage)
        for rows, block in _blocks(order):
            for name, values in converted_columns(jets, block, labels).items():
                file[name][rows] = values


def converted_columns(jets, order, labels):
    Pmu = jets.padded(order, N_PARTICLES).astype("f8")
    jet = Pmu.sum(axis=1)
    momentum2 = (jet[:, 1:] ** 2).sum(axis=1)
    return {
        "Nobj": jets.counts[order],
        "Pmu": Pmu,
        "label": np.arange(N_PARTICLES) < jets.counts[order][:, None],
        "is_signal": labels[order],
        "truth_Pmu": jets.truth[order],
        "jet_pt": np.hypot(jet[:, 1], jet[:, 2]),
        "mass": np.sqrt(np.maximum(jet[:, 0] ** 2 - momentum2, 0.0)),
    }


def write_raw(path: Path, jets, order, labels, split):
    """A pandas 'table' with Blosc: /table/table, one row per jet."""
    import tables

    width = 4 * (N_PARTICLES + 1)
    row = np.dtype([("index", "i8"), ("values_block_0", "f4", (width,)), ("values_block_1", "i8", (2,))])
    with tables.open_file(str(path), "w") as file:
        filters = tables.Filters(complevel=9, complib="blosc")
        group = file.create_group("/", "table")
        table = file.create_table(group, "table", row, filters=filters, expectedrows=len(order), track_times=False)
        describe_for_pandas(group, table)
        for rows, block in _blocks(order):
            values = np.zeros(len(block), row)
            values["index"] = np.arange(rows.start, rows.start + len(block))
            values["values_block_0"][:, :-4] = jets.padded(block, N_PARTICLES).reshape(len(block), -1)
            values["values_block_0"][:, -4:] = jets.truth[block]
            values["values_block_1"] = np.column_stack([np.full(len(block), TTV[split]), labels[block]])
            table.append(values)


def describe_for_pandas(group, table):
    """The attributes from which pandas.read_hdf(path, "table") rebuilds the named columns."""
    particles = [f"{name}_{i}" for i in range(N_PARTICLES) for name in ("E", "PX", "PY", "PZ")]
    floats = particles + ["truthE", "truthPX", "truthPY", "truthPZ"]
    integers = ["ttv", "is_signal_new"]
    of_group = {
        "pandas_type": "frame_table",
        "pandas_version": "0.15.2",  # version of the format
        "table_type": "appendable_frame",
        "index_cols": [(0, "index")],
        "values_cols": ["values_block_0", "values_block_1"],
        "non_index_axes": [(1, floats + integers)],
        "data_columns": [],
        "nan_rep": "nan",
        "encoding": "UTF-8",
        "errors": "strict",
        "levels": 1,
        "info": {1: {"type": "Index", "names": [None]}, "index": {}},
    }
    for name, value in of_group.items():
        group._v_attrs[name] = value
    table.attrs.index_kind = "integer"
    for block, kind, columns in (("values_block_0", "float32", floats), ("values_block_1", "int64", integers)):
        table.attrs[f"{block}_dtype"] = kind
        table.attrs[f"{block}_kind"] = columns
        table.attrs[f"{block}_meta"] = None


WRITERS = {"converted": write_converted, "raw": write_raw}
