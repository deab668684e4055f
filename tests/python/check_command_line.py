"""The command line of the programs: help, spellings, and refused values with their messages."""

import sys

import harness

DEFAULTS = {
    "batch_size": "32", "epochs": "35", "warmup_epochs": "5", "seed": "99", "log_interval": "100",
    "val_interval": "1", "dropout": "0.2", "lr": "0.001", "n_hidden": "72", "n_layers": "6",
    "num_workers": "4", "weight_decay": "0.01", "local_rank": "0", "kernel": "auto",
}  # fmt: skip
OF_TASK = {
    "top": {"num_train": "-1", "c_weight": "0.005", "datadir": "./data/top",
            "logdir": "./logs/top"},
    "qg": {"num_data": "-1", "c_weight": "0.001", "datadir": "./data/qg", "logdir": "./logs/qg"},
}  # fmt: skip
WITHOUT_DEFAULT = ("exp_name", "test_mode", "test_data", "device", "n_nodes", "pooling", "boost",
                   "resume", "overwrite", "init_from", "help", "version")  # fmt: skip
WRONG_VALUES = {
    "--epochs": ("0", "-1", "2.5", "ten", "1e3", "", "99999999999999999999"),
    "--batch_size": ("0",),
    "--n_hidden": ("0",),
    "--n_layers": ("-6",),
    "--val_interval": ("0",),
    "--log_interval": ("0",),
    "--num_workers": ("-1",),
    "--seed": ("-1",),
    "--dropout": ("1", "-0.1", "nan"),
    "--lr": ("0", "inf", "1e-3x", "0,1"),
    "--weight_decay": ("-1",),
    "--c_weight": ("inf",),
    "--n_nodes": ("0",),
    "--pooling": ("sum",),
    "--coordinates": ("half",),
    "--kernel": ("fast", "", "Fused"),
    "--device": ("gpu", "cuda:99"),
    "--boost": ("1", "0.3,", "nan"),
    "--exp_name": ("a/../../b", "/absolute", "."),
}
# Sizes that would hang or fill the memory: refused before anything is read, with the limit.
ABSURD_VALUES = {
    "--batch_size": (1000000001, 1000000),
    "--epochs": (1000000001, 1000000),
    "--n_hidden": (1000000000, 4096),
    "--n_layers": (1000000000, 512),
    "--num_workers": (1000000, 1024),
    "--n_nodes": (10**18, 1000000),
    "--num_train": (2**63 - 1, 10**12),
    "--timeout": (10**18, 1000000),
}
CONTRADICTIONS = (
    ("--pooling=jet", "--n_nodes=100"),
    ("--resume", "--overwrite", "--exp_name=x"),
    ("--test_mode", "--overwrite", "--exp_name=x"),
    ("--test_mode", "--resume", "--exp_name=x"),
    ("--test_mode",),
    ("--resume",),
)


class CommandLineTest(harness.ProgramTest):
    def refused(self, task, *words, expected=(), **options):
        """Refused before any file is read: the folders do not exist."""
        result = harness.run(task, *words, "--datadir", self.folder / "none",
                             "--logdir", self.folder / "logs", **options)  # fmt: skip
        self.assert_refused(result, *expected)
        self.assertEqual(result.stdout, "")
        self.assertFalse((self.folder / "logs").exists())

    def help_of(self, task):
        """The text of --help; a long entry continues on indented lines."""
        result = harness.run(task, "--help")
        self.assert_finished(result)
        return result.stdout

    def test_help(self):
        for task, own in OF_TASK.items():
            text = self.help_of(task)
            joined = " ".join(text.split())
            for name, value in (DEFAULTS | own).items():
                self.assertRegex(joined, rf"--{name} [^(]*(\(-1: all\) )?\(default: {value}\)")
            for name in WITHOUT_DEFAULT:
                self.assertIn(f" --{name} ", joined)
            for group in ("Run", "Data", "Network", "Training"):
                self.assertRegex(text, rf"(?m)^ *{group} options:$")
        self.assertNotIn("--num_data", self.help_of("top"))
        self.assertNotIn("--num_train", self.help_of("qg"))

    def test_version(self):
        for task in OF_TASK:
            result = harness.run(task, "--version")
            self.assert_finished(result)
            self.assertRegex(result.stdout, rf"\A{task}_tagging \d+\.\d+\.\d+\n\Z")

    def test_wrong_values(self):
        for flag, values in WRONG_VALUES.items():
            for value in values:
                with self.subTest(flag=flag, value=value):
                    self.refused("top", f"{flag}={value}", expected=(flag,))

    def test_absurd_values(self):
        for flag, (value, limit) in ABSURD_VALUES.items():
            with self.subTest(flag=flag):
                self.refused("top", f"{flag}={value}", expected=(f"{flag}: '{value}'", f"at most {limit}\n"))
                # The limit itself is accepted: then the data are missing.
                self.refused("top", f"{flag}={limit}", "--exp_name=x", expected=(self.folder / "none",))
        self.refused("qg", "--num_data", 10**13, expected=("--num_data", "at most 1000000000000\n"))
        self.refused("top", "--n_hidden=4096", "--n_layers=512",
                     expected=("4096", "512", "6e+10 parameters", "at most 1e+09"))  # fmt: skip
        self.refused("top", "--seed", 2**63 - 1, "--exp_name=x", expected=(self.folder / "none",))

    def test_contradictions(self):
        for words in CONTRADICTIONS:
            with self.subTest(words=words):
                self.refused("qg", *words)

    def test_unknown_flags(self):
        self.refused("top", "--epoch_number=3", expected=("--epoch_number",))
        self.refused("top", "--num_data=3", expected=("--num_data",))
        self.refused("qg", "--num_train=3", expected=("--num_train",))
        self.refused("qg", "stray", expected=("stray",))
        self.refused("qg", "-e", "3", expected=("-e",))
        self.refused("qg", "--", expected=("--",))

    def test_abbreviations(self):
        self.refused("top", "--epo=3", expected=("--epo", "--epochs"))
        self.refused("top", "--n-hid", "3", expected=("--n_hid", "--n_hidden"))
        self.refused("top", "--val", "3", expected=("--val_interval",))
        self.refused("top", "--n_", "3", expected=("--n_hidden", "--n_layers"))
        self.refused("qg", "--test", expected=("--test_mode", "--test_data"))
        self.refused("qg", "--res", expected=("--resume",))
        self.refused("qg", "--hel", expected=("--hel",))

    def test_missing_values(self):
        for words in (["--epochs"], ["--epochs", "--lr=1"], ["--test_data"], ["--exp_name"]):
            result = harness.run("top", *words)
            self.assert_refused(result, words[0], "value")
        self.refused("top", "--test_mode=false", expected=("--test_mode",))

    def test_several_processes(self):
        """Without the address of rank 0 they would overwrite each other's files."""
        self.refused("top", env={"WORLD_SIZE": "2", "RANK": "1"}, expected=("WORLD_SIZE", "2"))

    def test_missing_data(self):
        for task in OF_TASK:
            result = harness.run(task, "--datadir", self.folder / "none")
            self.assert_refused(result, self.folder / "none")

    def test_spellings(self):
        """All spellings are equivalent: each message names the missing experiment."""
        logs = self.folder / "no-logs"
        for words in (["--test_mode", "--exp_name", "some_exp-name", "--n_hidden", "5"],
                      ["--test-mode", "--exp-name", "some_exp-name", "--n-hidden", "5"],
                      ["--test-mode", "--exp-name=some_exp-name", "--n-hidden=5"],
                      ["--test_mode", "--exp_name=some_exp-name", "--n_hidden=5"]):  # fmt: skip
            result = harness.run("qg", *words, f"--logdir={logs}")
            self.assert_refused(result, logs / "some_exp-name")


if __name__ == "__main__":
    sys.exit(harness.main())
