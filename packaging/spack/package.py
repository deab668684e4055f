"""The tagger for spack: the C and C++ library, CMake and pkg-config files.

Copy this file to packages/lorentznet/package.py of a repository of your own and build a source tree:

    spack dev-build --source-path=TREE lorentznet@0.2.0

tests/python/check_packaging.py runs it with a stand-in for spack: version, dependencies, and CMake arguments that the
project knows. Not checked, because that needs spack and its mirrors: concretization and a build.
"""

from spack.package import *


class Lorentznet(CMakePackage):
    """LorentzNet, a Lorentz-equivariant jet tagger: scores jets without LibTorch, bit for bit the same everywhere."""

    homepage = "https://arxiv.org/abs/2201.08187"

    license("MIT")

    # From scripts/source_archive.sh. Where a release is published, add its url and sha256=.
    version("0.2.0")

    depends_on("cxx", type="build")
    depends_on("cmake@3.25:", type="build")
    depends_on("nlohmann-json@3.11:", type="build")

    requires("target=x86_64:", msg="the engine is written for x86-64 processors")
    conflicts("%gcc@:10", msg="C++20 is needed")
    conflicts("%clang@:13", msg="C++20 is needed")

    def cmake_args(self):
        return [self.define("LORENTZNET_TAGGER_ONLY", True)]
