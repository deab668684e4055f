"""The installed package's component `torch`: a program of a user's with the network as a torch::nn module."""

import sys

import harness
import installed

PROJECT = """
cmake_minimum_required(VERSION 3.25)
project(user LANGUAGES CXX)
find_package(lorentznet REQUIRED COMPONENTS torch)
add_executable(embed embed.cpp)
target_link_libraries(embed PRIVATE lorentznet::lorentznet)
"""


class InstalledTorchTest(installed.InstalledTest):
    def configure(self, name, text):
        source = self.folder / name
        source.mkdir()
        (source / "CMakeLists.txt").write_text(text)
        (source / "embed.cpp").write_text((harness.PROJECT / "docs" / "embed.cpp").read_text())
        return source, ["cmake", "-S", source, "-B", source / "build", f"-DCMAKE_PREFIX_PATH={self.prefix}"]

    def test_module(self):
        source, configure = self.configure("user", PROJECT)
        # Torch's headers compile for most of the test's time.
        env = harness.environment(**harness.build_environment(self.folder))
        installed.checked(configure, env=env)
        installed.checked(["cmake", "--build", source / "build"], env=env)
        model, jets = installed.checkpoint("top"), harness.PROJECT / "data" / "top" / "test.h5"
        words = [model, jets]
        found = installed.checked([source / "build" / "embed", *words]).stdout
        self.assertEqual(found, installed.checked([harness.OPTIONS.bin / "embed", *words]).stdout)
        self.assertEqual(len(found.splitlines()), 8)

    def test_unknown_component(self):
        _, configure = self.configure("wrong", PROJECT.replace("torch)", "tensorflow)"))
        with self.assertRaisesRegex(RuntimeError, "tensorflow"):
            installed.checked(configure)


if __name__ == "__main__":
    sys.exit(harness.main())
