"""The scores of a test and their figures: score.npz beside score.npy, weighted jets, more than two classes, against
scikit-learn's sample_weight and multi_class="ovr".
"""

import sys

import numpy as np
from sklearn.metrics import accuracy_score, log_loss, roc_auc_score, roc_curve
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

import figures
import harness

torch = harness.load_torch()


def softmax(logits: np.ndarray) -> np.ndarray:
    """In double."""
    exponentials = np.exp(logits.astype(np.float64) - logits.max(axis=1, keepdims=True))
    return exponentials / exponentials.sum(axis=1, keepdims=True)


def own_jets(split: str, seed: int, zero: int | None = None) -> dict[str, np.ndarray]:
    """Jets of the top sample with weights of both classes that differ, a few of them 0; all 0 in class `zero`."""
    arrays = harness.top_arrays(split)
    y = arrays["is_signal"].astype(np.int64)
    weight = np.random.default_rng(seed).uniform(0.1, 5, len(y)) * np.where(y == 1, 0.01, 1)
    weight[3::7] = 0
    weight[y == zero] = 0
    return {"X": arrays["Pmu"], "y": y, "weight": weight}


class ScoresTest(harness.ProgramTest):
    """With experiments `weighted`, of two classes, and `three`, of three, whose jets have weights."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.logs = cls.folder / "logs"
        cls.data = cls.write("weighted", {split: own_jets(split, k) for k, split in enumerate(harness.TOP_SPLITS)})
        cls.weighted = harness.train("top", cls.logs, cls.data, "weighted")
        jets = {split: cls.three_classes(own_jets(split, k)) for k, split in enumerate(harness.TOP_SPLITS)}
        cls.three = harness.train("top", cls.logs, cls.write("three", jets), "three")

    @classmethod
    def write(cls, name, splits):
        (cls.folder / name).mkdir()
        for split, arrays in splits.items():
            np.savez(cls.folder / name / f"{split}.npz", **arrays)
        return cls.folder / name

    @staticmethod
    def three_classes(arrays):
        """Every third jet becomes class 2."""
        return arrays | {"y": np.where(np.arange(len(arrays["y"])) % 3 == 2, 2, arrays["y"])}

    def score(self, run, *words, **arrays):
        """Tests `run` on these jets. Returns score.npy, score.npz and test-result.json."""
        np.savez(self.folder / "test.npz", **arrays)
        result = harness.test_mode("top", run, "--batch_size=8", "--test_data", self.folder / "test.npz", *words)
        self.assert_finished(result)
        self.assertNotIn("nan", result.stdout)
        found = run / "test-result.json"
        return np.load(run / "score.npy"), np.load(run / "score.npz"), harness.read_json(found) if found.exists() else {}

    def test_archive(self):
        """Logits, and probabilities in double; labels, weights and ids where the jets have them."""
        arrays = harness.top_arrays("test")
        jets = {"X": arrays["Pmu"], "y": arrays["is_signal"]}
        more = {"weight": np.linspace(0, 2, 20), "id": np.arange(20)[::-1]}
        for given in (jets, jets | more, {"X": jets["X"]}, {"X": jets["X"]} | more):
            rows, archive, _ = self.score(self.weighted, **given)
            expected = {"logits", "probability", *(["label"] if "y" in given else []), *more.keys() & given}
            self.assertEqual(set(archive.files), expected)
            self.assertEqual((archive["logits"].dtype, archive["logits"].shape), (np.float32, (20, 2)))
            self.assertEqual(archive["probability"].dtype, np.float64)
            np.testing.assert_allclose(archive["probability"], softmax(archive["logits"]), rtol=1e-15)
            np.testing.assert_allclose(rows[:, 1:], archive["probability"], rtol=1e-6)
            for name in more.keys() & given:
                np.testing.assert_array_equal(archive[name], given[name], strict=name == "weight")
            if "y" in given:
                np.testing.assert_array_equal(archive["label"], given["y"])

    def test_probabilities_below_float(self):
        """Where p1 in float is 0, the archive still tells the jets apart."""
        run, jets = self.logs / "sure", own_jets("test", 1)
        harness.restore(run, {name: (self.weighted / name).read_bytes() for name in ("args.json", "best-val-model.pt")})
        difference = np.diff(self.score(run, **jets)[1]["logits"].astype(np.float64))
        scale = 400 / np.ptp(difference)  # the differences of the logits become -550 to -150
        state = torch.load(run / "best-val-model.pt", weights_only=True)
        for name in ("weight", "bias"):
            state[f"module.graph_dec.3.{name}"] *= scale
        state["module.graph_dec.3.bias"][0] += scale * difference.max() + 150
        torch.save(state, run / "best-val-model.pt")
        rows, archive, _ = self.score(run, **jets)
        np.testing.assert_array_equal(rows[:, 2], 0)
        difference = np.diff(archive["logits"].astype(np.float64))[:, 0]
        self.assertEqual(len(np.unique(archive["probability"][:, 1])), len(np.unique(difference)))
        self.assertGreater(len(np.unique(difference)), 15)
        np.testing.assert_allclose(np.log(archive["probability"][:, 1]), difference, rtol=1e-12)

    def test_weighted_figures(self):
        jets = own_jets("test", 7)
        y, w = jets["y"], jets["weight"]
        rows, archive, result = self.score(self.weighted, "--boost=0", **jets)
        np.testing.assert_array_equal(archive["weight"], w)  # as in the file
        p = rows[:, 1:]
        self.assertAlmostEqual(result["test_acc"], accuracy_score(y, p[:, 1] > p[:, 0], sample_weight=w), delta=1e-12)
        self.assertAlmostEqual(result["test_loss"], log_loss(y, archive["probability"], sample_weight=w), delta=1e-6)
        self.assertAlmostEqual(result["test_auc"], roc_auc_score(y, p[:, 1], sample_weight=w), delta=1e-12)
        background, signal, _ = roc_curve(y, p[:, 1], sample_weight=w, drop_intermediate=True)
        for key, wanted in (("test_1/eB_0.3", 0.3), ("test_1/eB_0.5", 0.5)):
            expected = figures.rejection(background, signal, wanted)
            self.assertEqual(result[key] is None, expected is None)
            self.assertAlmostEqual(result[key] or 0, expected or 0, delta=1e-9)
        boosted = harness.read_json(self.weighted / "boost-0.json")
        self.assertAlmostEqual(boosted["acc"], result["test_acc"], delta=1e-12)
        # The unit of the weights is of no importance.
        again = self.score(self.weighted, **jets | {"weight": w * 2.0**-40})[2]
        self.assertEqual(again["test_auc"], result["test_auc"])

    def test_weights_of_a_class_all_zero(self):
        """Its figures are null, in a test and in a training's validation."""
        for zero in (0, 1):
            rows, archive, result = self.score(self.weighted, **own_jets("test", 2, zero))
            self.assertEqual((len(rows), len(archive["weight"])), (20, 20))
            self.assertEqual([result[key] for key in ("test_auc", "test_1/eB_0.3", "test_1/eB_0.5")], [None] * 3)
            self.assertIsInstance(result["test_acc"], float)
            self.assertFalse((self.weighted / "test-uncertainty.json").exists())
        splits = {split: own_jets(split, k, 1 if split == "val" else None) for k, split in enumerate(harness.TOP_SPLITS)}
        run = harness.train("top", self.logs, self.write("zero", splits), "zero")
        self.assertEqual(harness.read_json(run / "train-result.json")["epochs"], [0, 1])
        self.assertIsNotNone(harness.read_json(run / "test-result.json")["test_auc"])

    def test_weights_all_zero(self):
        """The scores are kept; no figure has a value. Nothing can be learned from such jets."""
        jets = own_jets("test", 2)
        zeros = np.zeros(len(jets["y"]))
        rows, archive, result = self.score(self.weighted, **jets | {"weight": zeros})
        self.assertEqual(len(rows), 20)
        np.testing.assert_array_equal(archive["weight"], zeros)
        self.assertEqual({result[key] for key in ("test_loss", "test_acc", "test_auc", "test_1/eB_0.5")}, {None})
        for split in ("train", "val"):
            splits = {name: own_jets(name, 1) for name in harness.TOP_SPLITS}
            splits[split] = splits[split] | {"weight": np.zeros(len(splits[split]["y"]))}
            data = self.write(f"none-{split}", splits)
            refused = harness.run("top", *harness.SMALL, "--datadir", data, "--logdir", self.logs, "--exp_name=none")
            self.assert_refused(refused, f"{split}.npz", "all weights are zero")

    def test_curves_of_the_validation(self):
        """TensorBoard's AUC is weighted: that of the best epoch's network for the validation jets."""
        record = harness.read_json(self.weighted / "train-result.json")
        jets = dict(np.load(self.data / "val.npz"))
        rows = self.score(self.weighted, **jets)[0]
        accumulator = EventAccumulator(str(self.weighted), size_guidance={"scalars": 0})
        accumulator.Reload()
        found = [event.value for event in accumulator.Scalars("epoch/val_auc")][record["best_epoch"]]
        expected = roc_auc_score(jets["y"], rows[:, 2], sample_weight=jets["weight"])
        self.assertAlmostEqual(found, expected, places=6)
        self.assertNotAlmostEqual(found, roc_auc_score(jets["y"], rows[:, 2]), places=3)


if __name__ == "__main__":
    sys.exit(harness.main())
