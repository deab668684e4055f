"""The Python package's scores: the bytes of score.npy for any arrays, batches and threads; refusals."""

import json
import os
import shutil
import subprocess
import threading
import time
import zipfile

import awkward
import numpy as np

import check_published
import harness
from package_test import CHECKPOINT, PackageTest

import lorentznet
from lorentznet import files

ALL_JETS = os.environ.get("LORENTZNET_ALL_JETS") == "1"  # as in .ci/run
JETS = None if ALL_JETS else 100  # of a file


class ScoresTest(PackageTest):
    """The bytes of score.npy."""

    def test_top(self):
        arrays = harness.top_arrays("test", count=JETS)
        expected = self.expected("top", harness.write_h5(self.folder / "test.h5", arrays))
        self.assert_same(self.top(arrays["Pmu"]), expected)
        self.assert_ways(self.top, arrays["Pmu"][:40], expected[:40])

    def test_quark_gluon(self):
        arrays = harness.qg_arrays(count=500 if JETS is None else JETS)
        np.savez(self.folder / "test.npz", **arrays)
        expected = self.expected("qg", self.folder / "test.npz")
        p4, ids = files.four_momenta(arrays["X"])
        self.assert_same(self.qg(p4, pdgid=ids), expected)
        self.assert_ways(self.qg, p4[:40], expected[:40], pdgid=ids[:40])

    def test_jets_of_1_to_200_particles(self):
        p4 = np.zeros((200, 200, 4))
        pool = self.p4[self.p4[..., 0] > 0]
        for jet in range(200):
            p4[jet, : jet + 1] = pool[jet : 2 * jet + 1]
        p4 = p4[:: 1 if ALL_JETS else 12]
        np.savez(self.folder / "sizes.npz", X=p4)
        self.assert_same(self.top(p4, threads=2), self.expected("top", self.folder / "sizes.npz"))

    def test_published_checkpoints(self):
        arrays = {"top": {"X": self.p4[:20]}, "qg": harness.qg_arrays(count=20)}
        for task, run in ((task, check_published.reference() / task) for task in arrays):
            if not (run / "best-val-model.pt").is_file():
                self.skipTest(f"no published checkpoint in {run}")
            np.savez(self.folder / "test.npz", **arrays[task])
            copy = shutil.copytree(run, self.folder / "published" / task)
            p4, ids = files.four_momenta(arrays[task]["X"]) if task == "qg" else (arrays[task]["X"], None)
            tagger = lorentznet.Tagger(copy / "best-val-model.pt")
            self.assertEqual([tagger.metadata[name] for name in ("task", "tests")], [task, []])
            self.assert_same(tagger(p4, pdgid=ids), self.expected(task, self.folder / "test.npz", copy))
            args = (copy / "args.json").rename(self.folder / f"{task}.json")
            with self.assertRaisesRegex(ValueError, "best-val-model.pt: .*args.json"):
                lorentznet.Tagger(copy / "best-val-model.pt")
            again = lorentznet.Tagger(copy / "best-val-model.pt", args_json=args)
            self.assert_same(again(p4, pdgid=ids), tagger(p4, pdgid=ids))

    def test_scalars_and_three_classes(self):
        rng = np.random.default_rng(5)
        data = self.folder / "data"
        data.mkdir()
        for split in ("train", "val", "test"):
            p4 = harness.top_arrays(split, count=20)["Pmu"]
            np.savez(data / f"{split}.npz", X=p4, y=np.arange(len(p4)) % 3, scalars=rng.normal(size=(*p4.shape[:2], 2)))
        run = harness.train("top", self.folder / "logs", data, "three", "--epochs=1", "--pooling=jet")
        expected = self.expected("top", data / "test.npz", run)
        tagger = lorentznet.Tagger(run / "best-val-model.pt")
        self.assertEqual(tagger.inputs, ("top", "scalars", 2, 3))
        with np.load(data / "test.npz") as test:
            p4, scalars = test["X"], test["scalars"]
        self.assert_same(tagger(p4, scalars=scalars), expected)
        self.assert_ways(tagger, p4, expected, scalars=scalars)
        scalars[3, 1, 0] = np.nan
        with self.assertRaisesRegex(lorentznet.JetError, "^jet 3: .*finite.*scalars"):
            tagger(p4, scalars=scalars)
        with self.assertRaisesRegex(ValueError, r"scalars has shape \[20, 200, 1\], expected \[20, 200, 2\]"):
            tagger(p4, scalars=scalars[..., :1])

    def assert_ways(self, tagger, p4, expected, **more):
        """The same bytes for every way to give the same jets; they are exact in float32."""
        self.assert_same(tagger(p4.astype("f4"), **more), tagger(p4.astype("f4").astype("f8"), **more))
        for changed in (np.asfortranarray(p4), p4.astype(">f8"), np.repeat(p4, 2, axis=1)[:, ::2]):
            self.assert_same(tagger(changed, **more), expected)
        gaps = {name: np.insert(values, [0, 2, 2, values.shape[1]], 0, axis=1) for name, values in more.items()}
        self.assert_same(tagger(np.insert(p4, [0, 2, 2, p4.shape[1]], 0, axis=1), **gaps), expected)
        for threads in (2, 3, 8):
            self.assert_same(tagger(p4, threads=threads, **more), expected)
        one_by_one = [tagger(p4[jet : jet + 1], **{name: values[jet : jet + 1] for name, values in more.items()})
                      for jet in range(len(p4))]  # fmt: skip
        self.assert_same(np.concatenate(one_by_one), expected)
        order = np.random.default_rng(1).permutation(len(p4))
        shuffled = tagger(p4[order], threads=2, **{name: values[order] for name, values in more.items()})
        self.assert_same(shuffled, expected[order])
        self.assert_flat_ways(tagger, p4, expected, **more)

    def assert_flat_ways(self, tagger, p4, expected, **more):
        filled = (p4 != 0).any(axis=2)
        counts = filled.sum(axis=1)
        offsets = np.concatenate([[0], np.cumsum(counts)])
        flat = {name: values[filled] for name, values in more.items()}
        for type_of_offsets in ("i4", "u8"):
            found = tagger(p4[filled], offsets=offsets.astype(type_of_offsets), threads=2, **flat)
            self.assert_same(found, expected)
        jagged = {name: awkward.unflatten(values, counts) for name, values in flat.items()}
        columns = dict(enumerate(np.moveaxis(p4[filled], 1, 0)))
        for names in (("E", "px", "py", "pz"), ("t", "x", "y", "z"), ("energy", "px", "py", "pz")):
            records = awkward.zip({name: awkward.unflatten(columns[k], counts) for k, name in enumerate(names)})
            self.assert_same(tagger(records, threads=2, **jagged), expected)


class ArraysTest(PackageTest):
    """What else the arguments may be, and what a tagger says."""

    def test_cylindrical_awkward_arrays(self):
        p4 = self.p4[self.p4[..., 0] > 0][:30]
        pt = np.hypot(p4[:, 1], p4[:, 2])
        mass = np.linspace(0.1, 2, 30)
        energy = np.sqrt(mass**2 + (p4[:, 1:] ** 2).sum(axis=1))
        expected = self.top(np.column_stack([energy, p4[:, 1:]]), offsets=[0, 10, 30])
        values = pt, np.arcsinh(p4[:, 3] / pt), np.arctan2(p4[:, 2], p4[:, 1]), mass
        for names in (("pt", "eta", "phi", "mass"), ("rho", "eta", "phi", "tau")):
            columns = zip(names, values, strict=True)
            found = self.top(awkward.zip({name: awkward.unflatten(value, [10, 20]) for name, value in columns}))
            harness.assert_close(found, expected, atol=1e-4)

    def test_lists_integers_and_no_jets(self):
        jet = [[13, 3, 4, 0], [50, 0, 30, 40]]
        self.assert_same(self.top([jet]), self.top(np.array([jet], float)))
        self.assert_same(self.top(np.array(jet, np.int16), offsets=[0, 2]), self.top([jet]))
        self.assertEqual(self.top(np.zeros((0, 5, 4))).shape, (0, 2))
        self.assertEqual(self.top(np.zeros((0, 4)), offsets=[0], threads=2).shape, (0, 2))
        self.assert_same(self.qg([jet], pdgid=[[22.0, -211.0]]), self.qg([jet], pdgid=np.array([[22, -211]], "i8")))

    def test_read_only_arrays_stay_as_they_are(self):
        p4 = self.p4.copy()
        p4.flags.writeable = False
        before = p4.tobytes()
        self.assert_same(self.top(p4), self.top(self.p4))
        self.assertEqual(p4.tobytes(), before)

    def test_attributes(self):
        state = self.top.arrays
        torch = harness.load_torch()
        weights = torch.load(CHECKPOINT["top"], weights_only=True)
        weights = {name.removeprefix("module."): values for name, values in weights.items()}
        self.assertEqual(list(state), list(weights))
        for name, values in state.items():
            self.assertEqual(values.dtype, np.float64)
            harness.assert_close(values, weights[name].double().numpy())
        state["embedding.weight"][:] = 0
        self.assertTrue(self.top.arrays["embedding.weight"].any())
        self.assertEqual(self.qg.inputs, ("qg", "pdgid", 0, 2))
        described = {"task": "top", "constituents": "nothing", "scalars": 0, "classes": 2}
        self.assertEqual(self.top.inputs._asdict(), described)
        digest = subprocess.run(["sha256sum", CHECKPOINT["top"]], capture_output=True, text=True, check=True).stdout
        self.assertEqual(self.top.fingerprint, digest.split()[0])
        self.assertIsInstance(self.top.metadata, dict)

    def test_other_threads_run_while_jets_are_scored(self):
        block = lorentznet.jets.PaddedJets(np.repeat(self.p4, 5, axis=0)).block(0, 200)
        arrays = np.empty((200, 2), np.float32), np.empty(200, np.uint8)
        scoring = threading.Thread(target=self.top._network.score, args=(*block, *arrays))
        scoring.start()
        turns = 0
        while scoring.is_alive():  # with the GIL held, this thread would get at most one turn
            time.sleep(0.001)
            turns += 1
        self.assertGreater(turns, 10)

    def test_many_callers_share_a_tagger(self):
        expected = self.top(self.p4)
        found = [None] * 8

        def score(place):
            found[place] = self.top(self.p4, threads=2)

        threads = [threading.Thread(target=score, args=(place,)) for place in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for scores in found:
            self.assert_same(scores, expected)


class RefusalsTest(PackageTest):
    def refuse(self, pattern, tagger, *arguments, kind=ValueError, **more):
        with self.assertRaisesRegex(kind, pattern) as caught:
            tagger(*arguments, **more)
        self.assertNotIn("\n", str(caught.exception))

    def test_jets(self):
        for threads in (1, 2):
            for jet, row, value, pattern in (
                (7, None, 0, "^jet 7: no constituents$"),
                (39, 2, np.nan, r"^jet 39: .*not finite.*\(nan, nan, nan, nan\)$"),
                (0, 1, np.inf, "^jet 0: .*not finite"),
                (3, 0, [-1, 0, 0, 0], r"^jet 3: .*energy.*\(-1, 0, 0, 0\)$"),
                (3, 0, [0, 1, 0, 0], "^jet 3: .*energy"),
                (33, 0, [1, 2, 0, 0], r"^jet 33: more momentum than energy.*\(1, 2, 0, 0\)$"),
            ):
                p4 = self.p4.copy()
                p4[jet, slice(None) if row is None else row] = value
                self.refuse(pattern, self.top, p4, threads=threads, kind=lorentznet.JetError)
        p4[5] = p4[20] = 0  # the first of several
        self.refuse("^jet 5: ", self.top, p4, threads=8, kind=lorentznet.JetError)
        too_many = np.tile([1.0, 0, 0, 0], (1, 4097, 1))
        self.refuse("^jet 0: more than 4096 constituents$", self.top, too_many, kind=lorentznet.JetError)

    def test_flat_jets(self):
        p4 = [[13, 3, 4, 0], [50, 0, 30, 40]]
        self.refuse("^jet 1: no constituents$", self.top, p4, offsets=[0, 1, 1, 2], kind=lorentznet.JetError)
        self.refuse("^jet 1: offsets falls from 2 to 1$", self.top, p4, offsets=[0, 2, 1, 2], kind=lorentznet.JetError)
        self.refuse("offsets goes from 0 to 3.*2 rows", self.top, p4, offsets=[0, 3])
        self.refuse("offsets goes from 1 to 2", self.top, p4, offsets=[1, 2])
        self.refuse("offsets has .* expected integers", self.top, p4, offsets=[0.0, 2])
        self.refuse("offsets has .* expected integers", self.top, p4, offsets=[])
        self.refuse(r"p4 has shape \[1, 2, 4\].*\[P, 4\] with", self.top, [p4], offsets=[0, 2])

    def test_shapes_and_types(self):
        p4 = self.p4
        self.refuse(r"p4 has shape \[200, 4\].*p4\[None\]", self.top, p4[0])
        self.refuse(r"p4 has shape \[40, 200, 3\]", self.top, p4[..., :3])
        self.refuse("p4 has elements of type complex128", self.top, p4 + 1j)
        self.refuse("p4 has elements of type object", self.top, np.array([None]))
        self.refuse("p4 has elements of type <U1", self.top, [[["a"] * 4]])
        self.refuse("p4 is no array of numbers", self.top, [[[1, 0, 0, 0]], [[1, 0, 0, 0], [1, 0, 0, 0]]])
        self.refuse("p4 is a masked array", self.top, np.ma.masked_array(p4))
        for threads in (0, -1, 1.5, True, "2"):
            self.refuse("threads is .*, expected a positive integer", self.top, p4, threads=threads)

    def test_pdg_ids(self):
        jets = [[[13, 3, 4, 0], [50, 0, 30, 40]]] * 2
        good = [[22, 211]]
        self.refuse("^pdgid= is missing: .*task qg.* takes PDG ids$", self.qg, jets)
        self.refuse("^pdgid= is given, .*task top.* takes no PDG ids$", self.top, jets, pdgid=good * 2)
        self.refuse("^scalars= is given", self.top, jets, scalars=good * 2)
        self.refuse(r"pdgid has shape \[1, 2\], expected \[2, 2\]", self.qg, jets, pdgid=good)
        self.refuse(r"^jet 1: .*unknown PDG id.*\(50, 0, 30, 40\), PDG id 12345$", self.qg, jets,
                    pdgid=[*good, [22, 12345]], kind=lorentznet.JetError)  # fmt: skip
        for value in (0.5, 2.0**40, np.nan, -(2.0**63)):
            self.refuse("^jet 1: the PDG id .* is not an integer", self.qg, jets, pdgid=[*good, [22, value]],
                        kind=lorentznet.JetError)  # fmt: skip

    def test_awkward_arrays(self):
        def records(**columns):
            return awkward.zip({name: awkward.Array(values) for name, values in columns.items()})

        good = {"E": [[13.0, 50]], "px": [[3.0, 0]], "py": [[4.0, 30]], "pz": [[0.0, 40]]}
        self.refuse(r"fields \['E', 'px', 'py'\], expected E, px, py, pz", self.top,
                    records(**{name: good[name] for name in ("E", "px", "py")}))  # fmt: skip
        one = records(**{name: values[0] for name, values in good.items()})
        self.refuse("expected a list of records", self.top, one)
        self.refuse("an awkward array has its own", self.top, records(**good), offsets=[0, 2])
        self.refuse("^jet 0: pdgid has 3 constituents, p4 has 2", self.qg, records(**good),
                    pdgid=awkward.Array([[22, 22, 22]]), kind=lorentznet.JetError)  # fmt: skip
        self.refuse("pdgid has 2 jets, p4 has 1", self.qg, records(**good), pdgid=awkward.Array([[22, 22], [22]]))
        missing = awkward.concatenate([records(**good), awkward.Array([None])])
        self.refuse("^jet 1: p4 is None", self.top, missing, kind=lorentznet.JetError)
        self.refuse("p4.E: ", self.top, records(**good | {"E": [[None, 50]]}))
        empty = awkward.concatenate([records(**good), awkward.Array([[]])])
        self.refuse("^jet 1: no constituents$", self.top, empty, kind=lorentznet.JetError)

    def test_checkpoints(self):
        whole = CHECKPOINT["top"].read_bytes()
        for name, content in (("cut.pt", whole[: len(whole) // 2]), ("text.pt", b"no network"), ("empty.pt", b"")):
            (self.folder / name).write_bytes(content)
            self.refuse(f"^{self.folder / name}: ", lorentznet.Tagger, self.folder / name)
        shutil.copy(CHECKPOINT["top"], self.folder / "damaged.pt")
        with open(self.folder / "damaged.pt", "r+b") as file:
            file.seek(len(whole) // 2)
            file.write(b"\xff" * 4)
        self.refuse("damaged.pt: ", lorentznet.Tagger, self.folder / "damaged.pt")
        with zipfile.ZipFile(CHECKPOINT["top"]) as good, zipfile.ZipFile(self.folder / "other.pt", "w") as other:
            for name in good.namelist():
                content = good.read(name)
                if name.endswith("lorentznet.json"):
                    described = json.loads(content)
                    described["tests"][2]["probabilities"].reverse()
                    content = json.dumps(described)
                other.writestr(name, content)
        self.refuse("other.pt: .*test", lorentznet.Tagger, self.folder / "other.pt")
        with self.assertRaises(FileNotFoundError):
            lorentznet.Tagger(self.folder / "missing.pt")
        odd = os.fsencode(self.folder) + b"/n\xffme.pt"
        with open(odd, "wb") as file:
            file.write(b"no network")
        self.refuse("n.me.pt: ", lorentznet.Tagger, os.fsdecode(odd))


if __name__ == "__main__":
    harness.main()
