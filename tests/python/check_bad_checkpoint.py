"""Unusable checkpoints and records: one line with the name of the file, and no file changes."""

import json
import sys
import zipfile

import harness
import hostile

torch = harness.load_torch()

EMBEDDING = "module.embedding.weight"
OUTPUT = "module.graph_dec.3.weight"
RUNNING = "module.LGEBs.1.phi_h.1.running_var"
# name: (change of a state dict, part of the reason)
STATES = {
    "missing": (lambda s: s.pop(RUNNING), "LGEBs.1.phi_h.1.running_var"),
    "extra": (lambda s: s.update({"module.head.weight": torch.ones(3)}), "head.weight"),
    "extra-layer": (lambda s: s.update({"module.LGEBs.2.phi_m.0.bias": torch.ones(1)}), "LGEBs.2"),
    "transposed": (lambda s: s.update({OUTPUT: s[OUTPUT].T}), "[4, 2]"),
    "flat": (lambda s: s.update({RUNNING: s[RUNNING][None]}), "[1, 4]"),
    "nan": (lambda s: s[RUNNING].fill_(float("nan")), "LGEBs.1.phi_h.1.running_var"),
    "inf": (lambda s: s[EMBEDDING][1].fill_(float("inf")), "embedding.weight"),
    "integers": (lambda s: s.update({RUNNING: s[RUNNING].long()}), "running_var"),
    "bytes": (lambda s: s.update({RUNNING: s[RUNNING].char()}), "CharStorage"),
    "complex": (lambda s: s.update({RUNNING: s[RUNNING] + 1j}), "Storage"),
    "prefix": (lambda s: s.update({"embedding.bias": s.pop("module.embedding.bias")}), "module."),
    "empty": (lambda s: s.clear(), "missing"),
}
# Values in place of a state dict.
OTHERS = {
    "tensor": lambda s: torch.ones(3),
    "list": lambda s: list(s.values()),
    "nested": lambda s: {"model": dict(s), "epoch": 3},
    "numbered": lambda s: dict(enumerate(s.values())),
    "none": lambda s: None,
    "set": lambda s: {"a", "b"},
}
INTEGERS = "module.progress.integers"  # epoch, step, ...
RNG = "module.rng.cpu"  # [ranks, bytes of a state]


def put(name, place, value):
    def change(state):
        state[name][place] = value

    return change


def first(state, kind):
    return next(name for name in state if kind in name)


TRAINING_STATES = {
    "epoch-negative": put(INTEGERS, 0, -3),
    "step-negative": put(INTEGERS, 1, -5),
    "step-beyond": put(INTEGERS, 1, 10**12),
    "progress-short": lambda s: s.update({INTEGERS: s[INTEGERS][:3]}),
    "generator-short": lambda s: s.update({RNG: s[RNG][:, :100]}),
    "generator-wrong": lambda s: s[RNG].fill_(255),
    "generator-missing": lambda s: s.pop(RNG),
    "record-uneven": lambda s: s.update({"module.record.lr": s["module.record.lr"][:0]}),
    "adam-step-empty": lambda s: s.update({first(s, "adam_step"): torch.zeros(0).long()}),
    "adam-step-negative": lambda s: s[first(s, "adam_step")].fill_(-1),
    "adam-missing": lambda s: s.pop(first(s, "adam_step")),
    "adam-nan": lambda s: s[first(s, "exp_avg_sq")].fill_(float("nan")),
    "adam-shape": lambda s: s.update({first(s, "exp_avg."): torch.zeros(1)}),
    "weights-missing": lambda s: s.pop(first(s, "model.embedding")),
    "setup-missing": lambda s: s.pop("module.setup"),
}
WRONG_ARGS = {
    "n_hidden": ('"4"', "0", "-4", "null", "4.5", "1e300", "1000000000", "[]",
                 "[" * 200000 + "]" * 200000),
    "n_layers": ("0", "-1", "true"),
    "c_weight": ("null", '"a"'),
    "pooling": ('"sum"', "3"),
    "coordinates": ('"half"',),
    "n_nodes": ("-1", '"x"'),
}


class BadCheckpointTest(harness.TrainedTest):
    def setUp(self):
        self.addCleanup(harness.restore, self.kept, self.good)

    def state(self, name="best-val-model.pt"):
        self.restore_file(name)
        return torch.load(self.kept / name, weights_only=True)

    def restore_file(self, name):
        (self.kept / name).write_bytes(self.good[name])

    def refused(self, file, *expected, words=("--test_mode",)):
        """The line names the bad `file`. No file in the folder may change."""
        with self.subTest(bad=expected[0] if expected else ""):
            before = harness.snapshot(self.kept)
            result = harness.run("qg", "--logdir", self.folder, "--datadir", self.data,
                                 "--exp_name=kept", "--device=cpu", *words)  # fmt: skip
            self.assert_harmless(result, self.kept, before, file, *expected[1:])

    def test_states(self):
        file = self.kept / "best-val-model.pt"
        for name, (change, reason) in STATES.items():
            state = self.state()
            change(state)
            torch.save(state, file)
            self.refused(file, name, reason)
        for name, make in OTHERS.items():
            torch.save(make(self.state()), file)
            self.refused(file, name)

    def test_same_state(self):
        """A file that torch loads and saves again is accepted."""
        torch.save(dict(self.state()), self.kept / "best-val-model.pt")
        self.assert_finished(harness.test_mode("qg", self.kept, "--datadir", self.data))

    def test_sixteen_bits(self):
        """Half and bfloat16 are read as the floats that they stand for."""
        file = self.kept / "best-val-model.pt"
        for kind in (torch.half, torch.bfloat16):
            short = {k: t.to(kind) if t.is_floating_point() else t for k, t in self.state().items()}
            long = {k: t.float() if t.is_floating_point() else t for k, t in short.items()}
            scores = []
            for state in (short, long):
                torch.save(state, file)
                self.assert_finished(harness.test_mode("qg", self.kept, "--datadir", self.data))
                scores.append((self.kept / "score.npy").read_bytes())
            self.assertEqual(*scores)
            self.assertNotEqual(scores[0], self.good["score.npy"])

    def test_damaged(self):
        file = self.kept / "best-val-model.pt"
        content = self.good[file.name]
        flipped = bytearray(content)
        flipped[content.index(self.state()[EMBEDDING].numpy().tobytes())] ^= 1
        for name, damaged in {
            "empty": b"", "text": b"not a checkpoint\n" * 9, "cut": content[:-30],
            "half": content[: len(content) // 2], "flipped": bytes(flipped),
        }.items():  # fmt: skip
            file.write_bytes(damaged)
            self.refused(file, name)
        torch.save(self.state(), file, _use_new_zipfile_serialization=False)
        self.refused(file, "legacy")
        file.unlink()
        self.refused(file, "absent")
        file.mkdir()
        self.refused(file, "folder")
        file.rmdir()

    def test_hostile(self):
        file = self.kept / "best-val-model.pt"
        trap = self.folder / "trap"
        for name, pickle in hostile.pickles(trap).items():
            hostile.write(file, pickle, s=bytes(16))
            self.refused(file, name)
            self.assertFalse(trap.exists(), name)
        hostile.write(file, hostile.text("a") + b"0" * (1 << 28), compress=True)
        self.refused(file, "pickle-bomb")
        hostile.write(file, hostile.state(hostile.tensor("s", 1 << 28, (1 << 28,), (1,))),
                      compress=True, s=bytes(1 << 30))  # fmt: skip
        self.refused(file, "storage-bomb")
        with zipfile.ZipFile(file, "w") as archive:
            archive.writestr("other/file", "x")
        self.refused(file, "other-archive")

    def test_init_from(self):
        """--overwrite replaces no file if there is nothing to start from."""
        bad = hostile.write(self.folder / "bad.pt", hostile.integer(5))
        for file in (bad, self.folder / "absent.pt"):
            self.refused(file, file.name,
                         words=[*harness.SMALL, "--overwrite", "--init_from", file])  # fmt: skip

    def test_training_states(self):
        file = self.kept / "training-state.pt"
        for name, change in TRAINING_STATES.items():
            state = self.state(file.name)
            change(state)
            torch.save(state, file)
            self.refused(file, name, words=["--resume", "--epochs=3"])
        for name, damaged in (("cut", self.good[file.name][:1000]), ("empty", b"")):
            file.write_bytes(damaged)
            self.refused(file, name, words=["--resume", "--epochs=3"])
        file.write_bytes(self.good["best-val-model.pt"])
        self.refused(file, "only weights", words=["--resume", "--epochs=3"])

    def test_args(self):
        file = self.kept / "args.json"
        for flag, values in WRONG_ARGS.items():
            for value in values:
                args = json.loads(self.good[file.name]) | {flag: "@"}
                file.write_text(json.dumps(args).replace('"@"', value))
                self.refused(file, f"{flag}={value[:20]}", "deep" if value.startswith("[[") else flag)
        for name, text in (("empty", ""), ("list", "[1]"), ("cut", '{"n_hidden": 4,'),
                           ("deep", "[" * 200000), ("bytes", '{"a": "\udcff"}')):  # fmt: skip
            file.write_bytes(text.encode(errors="surrogateescape"))
            self.refused(file, name)
            self.refused(file, f"{name}, resumed", words=["--resume"])

    def test_args_of_resume(self):
        file = self.kept / "args.json"
        for flag, value in (("dropout", 1.5), ("val_interval", 0), ("epochs", "2"), ("lr", -1),
                            ("batch_size", 0), ("seed", None), ("datadir", 3)):  # fmt: skip
            file.write_text(json.dumps(json.loads(self.good[file.name]) | {flag: value}))
            words = ["--resume"] if flag == "epochs" else ["--resume", "--epochs=3"]
            with self.subTest(flag=flag):
                before = harness.snapshot(self.kept)
                result = harness.run("qg", "--logdir", self.folder, "--exp_name=kept", *words)
                self.assert_harmless(result, self.kept, before, file, flag)

    def test_train_result(self):
        file = self.kept / "train-result.json"
        for name, text in (("empty", ""), ("list", "[]"), ("cut", '{"epochs": [0,')):
            file.write_text(text)
            self.refused(file, name)


if __name__ == "__main__":
    sys.exit(harness.main())
