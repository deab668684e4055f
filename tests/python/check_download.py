"""Downloads of the published data sets from a local HTTP server that fails in many ways."""

import hashlib
import io
import shutil
import signal
import subprocess
import time

import numpy as np

import file_server
import harness

QG_FILES = 3


def qg_bytes(number):
    out = io.BytesIO()
    np.savez(out, **harness.qg_arrays(100 * number, 100))
    return out.getvalue()


class DownloadTest(harness.ProgramTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.files = {}
        for number in range(QG_FILES):
            cls.files["QG_jets.npz" if number == 0 else f"QG_jets_{number}.npz"] = qg_bytes(number)
        for split in harness.TOP_SPLITS:
            file = harness.write_h5(cls.folder / "h5", harness.top_arrays(split))
            cls.files[f"{split}.h5"] = file.read_bytes()

    def setUp(self):
        self.server = file_server.start(self)
        self.server.files |= self.files
        self.data = self.folder / self.id().rsplit(".", 1)[-1]
        self.datasets = self.data / "datasets"
        self.write_table()

    def write_table(self, url=None, **sums):
        self.table = self.folder / f"{self.id()}.tsv"
        with open(self.table, "w") as out:
            out.write("set\tfile\tsha256\turl\n")
            for name, content in self.server.files.items():
                group = "top" if name.endswith(".h5") else "qg-pythia"
                sha256 = "-" if group == "top" else sums.get(name, hashlib.sha256(content).hexdigest())
                out.write(f"{group}\t{name}\t{sha256}\t{url or self.server.url}/{name}?download=1\n")

    def command(self, task, *words):
        logs = self.folder / "logs" / self.data.name
        return [*harness.SMALL, "--epochs=1", "--overwrite", "--exp_name=run", "--logdir", logs, "--datadir",
                self.data, *words]  # fmt: skip

    def environment(self, **more):
        return {"LORENTZNET_PUBLISHED_FILES": str(self.table), "no_proxy": "*"} | more

    def run_program(self, task="qg", *words, **env):
        return harness.run(task, *self.command(task, *words), env=self.environment(**env))

    def names(self):
        return sorted(path.name for path in self.datasets.iterdir()) if self.datasets.exists() else []

    def assert_whole(self):
        self.assertEqual(self.names(), ["QG_jets.npz", "QG_jets_1.npz", "QG_jets_2.npz"])
        for name in self.names():
            self.assertEqual((self.datasets / name).read_bytes(), self.server.files[name], name)

    def test_into_an_empty_folder(self):
        result = self.run_program()
        self.assert_finished(result)
        self.assertIn("Downloading QG_jets_1.npz (2 of 3) from", result.stdout)
        self.assertIn(" train samples: 240", result.stdout)
        self.assert_whole()
        self.server.requests.clear()
        self.assert_finished(self.run_program())
        # A folder with only some of the files is used unchanged.
        (self.datasets / "QG_jets.npz").unlink()
        result = self.run_program("qg", "--download")
        self.assert_finished(result)
        self.assertIn("nothing is downloaded", result.stdout)
        self.assertIn(" train samples: 160", result.stdout)
        self.assertEqual(self.server.requests, [])

    def test_size_and_place_are_announced(self):
        """Before the first byte."""
        size = sum(len(content) for name, content in self.server.files.items() if name.endswith(".npz"))
        result = self.run_program()
        self.assert_finished(result)
        line = f"Downloading 3 files, {size / 1e6:.1f} MB, into {self.datasets}\n"
        self.assertIn(line, result.stdout)
        self.assertLess(result.stdout.index(line), result.stdout.index("Downloading QG_jets.npz"))
        self.server.sizes = False
        for file in self.datasets.iterdir():
            file.unlink()
        result = self.run_program()
        self.assert_finished(result)
        self.assertIn(f"Downloading 3 files, of unknown size, into {self.datasets}\n", result.stdout)

    def assert_not_downloaded(self, result, *expected):
        self.assert_refused(result, "looked for", "QG_jets.npz", *expected)
        self.assertEqual(self.server.requests, [])

    def test_mistyped_folder(self):
        """A folder with other contents is not filled with gigabytes; the line says what was looked for."""
        self.data.mkdir()
        (self.data / ".hidden").write_text("")
        (self.data / "notes.txt").write_text("")
        self.assert_not_downloaded(self.run_program(), f"{self.data}: ", "datasets", "there is notes.txt")
        self.assert_not_downloaded(self.run_program("qg", "--download"), f"{self.data}: ", "there is notes.txt")
        # One folder too deep.
        (self.data / "notes.txt").rename(self.data / "QG_jets_3.npz")
        self.assert_not_downloaded(self.run_program(), f"{self.data}: ", "there is QG_jets_3.npz")
        self.datasets.mkdir()
        (self.datasets / "QG_jets.npz.zip").write_text("")
        self.assert_not_downloaded(self.run_program(), f"{self.datasets}: ", "there is QG_jets.npz.zip")
        (self.datasets / "QG_jets.npz.zip").unlink()
        self.assert_finished(self.run_program())  # it is empty now
        self.assert_whole()

    def test_mistyped_path(self):
        """A new folder is filled, but not one whose parent does not exist either."""
        above = self.data
        self.data = above / "qg"
        self.assert_not_downloaded(self.run_program(), f"{self.data}: ", f"no folder {above} either")
        self.assertFalse(above.exists())
        self.datasets = self.data / "datasets"
        self.assert_finished(self.run_program("qg", "--download"))
        self.assert_whole()

    def test_top_folder_with_other_contents(self):
        self.data.mkdir()
        (self.data / "jets.root").write_text("")
        self.assert_refused(self.run_program("top", "--download"), f"{self.data}: looked for", "train", "there is jets.root")
        self.assertEqual(self.server.requests, [])

    def test_as_many_as_needed(self):
        self.assert_finished(self.run_program("qg", "--num_data=90"))
        self.assertEqual(self.names(), ["QG_jets.npz"])

    def test_broken_connections(self):
        self.server.behave = {"QG_jets.npz": ["cut", "cut", "busy"], "QG_jets_1.npz": ["busy", 429],
                              "QG_jets_2.npz": ["cut", "norange"]}  # fmt: skip
        result = self.run_program()
        self.assert_finished(result)
        self.assertIn("trying again", result.stdout)
        self.assertIn("cannot continue a download", result.stdout)
        self.assert_whole()
        size = len(self.server.files["QG_jets.npz"])
        ranges = [r for path, r in self.server.requests if "QG_jets.npz" in path]
        self.assertEqual(ranges[:2], [None, f"bytes={size // 2}-"])

    def test_refusals(self):
        for plan, expected in ((404, "404"), (403, "403"), ("page", "web page"), ("wrong", "SHA-256")):
            with self.subTest(plan=plan):
                self.server.behave = {"QG_jets_1.npz": [plan]}
                self.assert_refused(self.run_program(), "QG_jets_1.npz", expected)
                # Complete files stay, the others keep their temporary names, and the same command continues.
                self.assertEqual(self.names(), ["QG_jets.npz", *(["QG_jets_1.npz.part"] if isinstance(plan, int)
                                                                 else []), "unfinished-download"])  # fmt: skip
        self.assert_finished(self.run_program())
        self.assert_whole()

    def test_a_part_of_another_file(self):
        self.datasets.mkdir(parents=True)
        size = len(self.server.files["QG_jets.npz"])
        for length in (1000, size, size + 5):
            with self.subTest(length=length):
                for name in self.names():
                    (self.datasets / name).unlink()
                (self.datasets / "QG_jets.npz.part").write_bytes(b"PK" + b"x" * (length - 2))
                result = self.run_program()
                self.assert_finished(result)
                self.assertIn("does not match, starting again", result.stdout)
                self.assert_whole()

    def test_interrupted(self):
        """Ctrl-C leaves a partial file, which the next run continues and no training uses."""
        self.server.behave = {"QG_jets_1.npz": ["slow"]}
        program = harness.start(harness.command("qg", *self.command("qg")), harness.environment() | self.environment())
        part = self.datasets / "QG_jets_1.npz.part"
        end = time.monotonic() + harness.HANG
        expected = len(self.server.files["QG_jets_1.npz"]) // 3
        while not (part.exists() and part.stat().st_size == expected):
            self.assertLess(time.monotonic(), end)
            time.sleep(0.05)
        # Meanwhile another process is refused.
        self.assert_refused(self.run_program(), "another process is downloading")
        program.send_signal(signal.SIGINT)
        self.assertNotEqual(program.wait(timeout=harness.HANG), 0)
        program.communicate()
        self.assertEqual(self.names(), ["QG_jets.npz", "QG_jets_1.npz.part", "unfinished-download"])
        self.server.requests.clear()
        self.assert_finished(self.run_program())
        self.assert_whole()
        self.assertEqual(self.server.requests[0][1], f"bytes={expected}-")

    def test_top_pins_checksums(self):
        self.assert_refused(self.run_program("top"), self.data)  # only with --download
        result = self.run_program("top", "--download")
        self.assert_finished(result)
        sums = dict(line.split()[::-1] for line in (self.data / "SHA256SUMS").read_text().splitlines())
        self.assertEqual(sums, {name: hashlib.sha256(content).hexdigest()
                                for name, content in self.server.files.items() if name.endswith(".h5")})  # fmt: skip
        for split in harness.TOP_SPLITS:
            (self.data / f"{split}.h5").unlink()
        self.server.behave = {"val.h5": ["wrong"]}
        self.assert_refused(self.run_program("top", "--download"), "val.h5", "SHA-256", sums["val.h5"])
        self.server.behave = {"val.h5": ["page"]}
        self.assert_refused(self.run_program("top", "--download"), "val.h5", "web page")
        self.assert_finished(self.run_program("top", "--download"))

    def test_proxy(self):
        self.write_table(url="http://published.example/records")
        result = self.run_program("qg", http_proxy=self.server.url, no_proxy="")
        self.assert_finished(result)
        self.assert_whole()
        self.assertTrue(self.server.requests[0][0].startswith("http://published.example/"))

    def test_no_server(self):
        self.write_table(url="none://nowhere")
        self.assert_refused(self.run_program(), "none://nowhere")
        self.assertEqual(self.names(), ["QG_jets.npz.part", "unfinished-download"])

    def test_disk_full(self):
        words = harness.command("qg", *self.command("qg"))
        result = subprocess.run(["bash", "-c", 'ulimit -f 8; trap "" XFSZ; exec "$@"', "-", *words],
                                env=harness.environment() | self.environment(), text=True,
                                capture_output=True, timeout=harness.HANG)  # fmt: skip
        self.assert_refused(result, "QG_jets.npz.part", "File too large")
        self.assert_finished(self.run_program())
        self.assert_whole()

    def test_other_sets(self):
        self.assert_refused(self.run_program("qg", "--generator=sherpa"), "--generator", "sherpa")
        self.assert_refused(self.run_program("qg", "--generator=herwig"), "qg-herwig")
        self.datasets.mkdir(parents=True, exist_ok=True)
        for number in range(2):
            (self.datasets / f"QG_jets_herwig_{number}.npz").write_bytes(qg_bytes(number))
        result = self.run_program("qg")
        self.assert_finished(result)
        self.assertIn(" train samples: 160", result.stdout)
        self.assert_refused(self.run_program("qg", "--with_bc"), "qg-herwig", "qg-pythia-bc")


class NetworkTest(harness.ProgramTest):
    """--test_mode --exp_name published --download."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.runs = {task: harness.train(task, cls.folder, harness.write_data(task, cls.folder / f"{task}-data"), task,
                                        "--epochs=1") for task in ("top", "qg")}  # fmt: skip

    def setUp(self):
        self.server = file_server.start(self)
        self.table = self.folder / f"{self.id()}.tsv"
        self.logs = self.folder / self.id() / "logs"
        self.published = self.logs / "published"
        self.serve("qg")

    def serve(self, task, size=None, **sums):
        file_server.serve_network(self.server, self.runs[task], self.folder)
        rows = [file_server.row(self.server, f"{task}-network", name, size, **sums)
                for name in ("args.json", "best-val-model.pt")]  # fmt: skip
        file_server.write_table(self.table, *rows)

    def run_program(self, task="qg", *words, download=True):
        data = self.folder / f"{task}-data" / ("datasets/QG_jets.npz" if task == "qg" else "test.h5")
        return harness.run(task, "--test_mode", "--exp_name=published", "--device=cpu", "--logdir", self.logs,
                           *(("--download",) if download else ()), *(words or ("--test_data", data)),
                           env={"LORENTZNET_PUBLISHED_FILES": str(self.table), "no_proxy": "*"})  # fmt: skip

    def assert_whole(self):
        for name in ("args.json", "best-val-model.pt"):
            self.assertEqual((self.published / name).read_bytes(), self.server.files[name])
        self.assertEqual([file.name for file in self.logs.iterdir()], ["published"])

    def test_fetched_once(self):
        for task in ("top", "qg"):
            with self.subTest(task=task):
                shutil.rmtree(self.logs, ignore_errors=True)
                self.serve(task)
                result = self.run_program(task)
                self.assert_finished(result)
                size = sum(map(len, self.server.files.values()))
                self.assertIn(f"Downloading the published network, {size / 1e6:.1f} MB, into {self.published}; it is of "
                              "https://github.com/sdogsq/LorentzNet-release, licence GPL-3.0\n", result.stdout)  # fmt: skip
                self.assert_whole()
                expected = self.run_test_of(task)
                self.assertEqual((self.published / "score.npy").read_bytes(), expected)
                self.server.requests.clear()
                result = self.run_program(task)
                self.assert_finished(result)
                self.assertIn("has a network: it is not downloaded", result.stdout)
                self.assert_finished(self.run_program(task, download=False))
                self.assertEqual(self.server.requests, [])

    def run_test_of(self, task):
        """score.npy of the experiment that is served."""
        out = self.folder / self.id() / f"{task}-out"
        data = self.folder / f"{task}-data" / ("datasets/QG_jets.npz" if task == "qg" else "test.h5")
        self.assert_finished(harness.test_mode(task, self.runs[task], "--out", out, "--test_data", data))
        return (out / "score.npy").read_bytes()

    def test_only_what_is_missing(self):
        self.published.mkdir(parents=True)
        (self.published / "args.json").write_bytes(self.server.files["args.json"])
        (self.published / "note").write_text("kept")
        self.assert_finished(self.run_program())
        self.assertEqual([path for path, _ in self.server.requests], ["/best-val-model.pt?download=1"])
        self.assert_whole()
        self.assertEqual((self.published / "note").read_text(), "kept")

    def test_not_mixed_with_another_network(self):
        self.published.mkdir(parents=True)
        shutil.copy(self.runs["qg"] / "best-val-model.pt", self.published)
        before = harness.snapshot(self.published)
        self.assert_harmless(self.run_program(), self.published, before, self.published / "best-val-model.pt",
                             "is not the published file")  # fmt: skip
        self.assertEqual(self.server.requests, [])

    def test_both_or_neither(self):
        """The checkpoint is the second one. What fails leaves nothing, not even the folders."""
        for plan, expected in ((404, "404"), ("page", "web page"), ("wrong", "SHA-256")):
            with self.subTest(plan=plan):
                self.server.behave = {"best-val-model.pt": [plan]}
                self.assert_refused(self.run_program(), "best-val-model.pt", expected)
                self.assertFalse(self.logs.parent.exists())
        self.serve("qg", size=7)
        self.assert_refused(self.run_program(), "args.json", "bytes, expected 7")
        self.assertFalse(self.logs.parent.exists())
        self.published.mkdir(parents=True)
        self.assert_refused(self.run_program(), "bytes, expected 7")
        self.assertEqual([*self.logs.iterdir(), *self.published.iterdir()], [self.published])

    def test_broken_connection(self):
        self.server.behave = {"best-val-model.pt": ["cut"]}
        self.assert_finished(self.run_program())
        self.assert_whole()

    def test_only_on_request(self):
        self.assert_refused(self.run_program(download=False), self.published, "no such experiment")
        result = self.run_program("qg", "--exp_name=other", "--test_data=none")
        self.assert_refused(result, self.logs / "other", "no such experiment")
        self.assertEqual(self.server.requests, [])

    def test_top_jets_too(self):
        """Without jets on this machine the test jets are downloaded, but not those that only a training reads."""
        self.serve("top")
        rows = []
        for split in harness.TOP_SPLITS:
            self.server.files[f"{split}.h5"] = (self.folder / "top-data" / f"{split}.h5").read_bytes()
            rows.append(f"top\t{split}.h5\t-\t{self.server.url}/{split}.h5\n")
        self.table.write_text(self.table.read_text() + "".join(rows))
        data = self.folder / "downloaded"
        self.assert_finished(self.run_program("top", "--datadir", data))
        self.assertEqual(sorted(file.name for file in data.iterdir()), ["SHA256SUMS", "test.h5"])
        self.assertEqual((self.published / "score.npy").read_bytes(), self.run_test_of("top"))
        result = self.run_program("top", "--datadir", data)
        self.assert_finished(result)
        self.assertIn(f"{data} has data: nothing is downloaded", result.stdout)
        # A training fetches the rest.
        training = ["--epochs=1", *harness.SMALL[:2], "--device=cpu", "--logdir", self.logs, "--exp_name=new", "--datadir", data]
        self.assert_finished(harness.run("top", *training, "--download",
                                         env={"LORENTZNET_PUBLISHED_FILES": str(self.table), "no_proxy": "*"}))  # fmt: skip
        self.assertEqual(sorted(file.name for file in data.iterdir()), ["SHA256SUMS", "test.h5", "train.h5", "val.h5"])


if __name__ == "__main__":
    harness.main()
