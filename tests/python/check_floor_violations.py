"""scripts/check_floors.py accepts this tree and finds each include that is turned round.

    check_floor_violations.py

In a copy of src and include a line is put at the top of one file a floor; the script must report
exactly these lines.
"""

import shutil
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
# A floor, and one that it must not include from: the next one above it, or beside it.
NEIGHBOURS = (
    ("io", "data"), ("data", "engine"), ("engine", "data"), ("engine", "tagger"), ("tagger", "report"),
    ("report", "tagger"), ("report", "parallel"), ("parallel", "kernels"), ("kernels", "model"),
    ("model", "train"), ("train", "app"), ("train", "console"), ("console", "fetch"), ("fetch", "info"),
    ("info", "app"), ("info", "engine"),
)  # fmt: skip
TORCH_FREE = ("io", "data", "engine", "tagger", "report", "console", "fetch", "info")
TORCH = "ATen/Tensor.h"


class FloorsTest(unittest.TestCase):
    def setUp(self):
        self.root = Path(self.enterContext(tempfile.TemporaryDirectory(prefix="lorentznet-")))
        for folder in ("src", "include"):
            shutil.copytree(PROJECT / folder, self.root / folder)

    def check(self, *expected: str):
        result = subprocess.run([sys.executable, PROJECT / "scripts" / "check_floors.py", "--root", self.root],
                                text=True, capture_output=True)  # fmt: skip
        self.assertEqual(result.stderr, "")
        self.assertEqual(sorted(result.stdout.splitlines()), sorted(expected))
        self.assertEqual(result.returncode, 1 if expected else 0)

    def put(self, file: str, header: str):
        """#include of `header` as the first line of a file, which may be new."""
        path = self.root / file
        path.parent.mkdir(exist_ok=True)
        path.write_text(f'#include "{header}"\n' + (path.read_text() if path.exists() else ""))

    def test_this_tree(self):
        self.check()

    def test_neighbours(self):
        expected = []
        for floor, other in NEIGHBOURS:
            file, header = f"src/{floor}/of_{other}.cpp", f"{other}/some.h"
            self.put(file, header)
            expected.append(f"{file}:1: includes {header}, which is above {floor}")
        self.check(*expected)

    def test_existing_files(self):
        """The same in a file of the tree, whose other lines move down."""
        (file, *_) = sorted((self.root / "src" / "io").glob("*.h"))
        self.put(f"src/io/{file.name}", "train/some.h")
        self.check(f"src/io/{file.name}:1: includes train/some.h, which is above io")

    def test_torch(self):
        expected = []
        for floor in TORCH_FREE:
            self.put(f"src/{floor}/tensor.cpp", TORCH)
            expected.append(f"src/{floor}/tensor.cpp:1: includes {TORCH}, but {floor} must not use LibTorch")
        self.put("src/kernels/tensor.cpp", TORCH)
        self.check(*expected)

    def test_public_headers(self):
        self.put("include/lorentznet/error.h", "lorentznet/jets.h")
        self.put("include/lorentznet/jets.h", "io/file.h")
        self.put("include/lorentznet/metrics.h", TORCH)
        self.put("src/data/of_trainer.cpp", "lorentznet/trainer.h")
        self.put("src/console/of_trainer.cpp", "lorentznet/trainer.h")
        (self.root / "include/lorentznet/unknown.h").write_text("#pragma once\n")
        self.check(
            "include/lorentznet/error.h:1: includes lorentznet/jets.h, which is above io",
            "include/lorentznet/jets.h:1: includes io/file.h, which is no public header",
            f"include/lorentznet/metrics.h:1: includes {TORCH}, but report must not use LibTorch",
            "include/lorentznet/unknown.h:1: is not in the table of public headers (scripts/check_floors.py)",
            "src/data/of_trainer.cpp:1: includes lorentznet/trainer.h, which is above data",
        )

    def test_unknown_floor(self):
        self.put("src/attic/old.cpp", "vector")
        self.put("src/app/of_attic.cpp", "attic/old.h")
        self.check("src/attic/old.cpp:1: is on no floor (scripts/check_floors.py)",
                   "src/app/of_attic.cpp:1: includes attic/old.h, which is above app")  # fmt: skip


if __name__ == "__main__":
    unittest.main(verbosity=2)
