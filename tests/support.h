#pragma once

#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace lorentznet::test {

/// Folder of the published checkpoints and golden values: $LORENTZNET_REFERENCE, or else
/// ../shared/reference beside the source tree; empty if that does not exist.
std::optional<std::filesystem::path> reference_dir();

/// Golden files in the reference folder and in tests/data whose names end in `suffix`.
std::vector<std::filesystem::path> golden_files(const std::string& suffix);

/// Tells ctest that this test case did not run; the caller must return. A failure before or after
/// counts.
void skip(const std::string& reason);
/// How many times skip() was called.
int skips();

/// Largest |a - b|. NaN, with which no comparison holds, if a difference is not finite or the sizes
/// differ.
double largest_difference(std::span<const double> a, std::span<const double> b);

/// A temporary folder, removed at the end.
class TemporaryFolder {
 public:
  TemporaryFolder();
  ~TemporaryFolder();
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;

  const std::filesystem::path& path() const { return path_; }
  std::filesystem::path operator/(const std::string& name) const { return path_ / name; }

 private:
  std::filesystem::path path_;
};

/// Sets an environment variable while the object lives.
class EnvironmentVariable {
 public:
  EnvironmentVariable(std::string name, const std::string& value);
  ~EnvironmentVariable();
  EnvironmentVariable(const EnvironmentVariable&) = delete;
  EnvironmentVariable& operator=(const EnvironmentVariable&) = delete;

 private:
  std::string name_;
  std::optional<std::string> before_;
};

}  // namespace lorentznet::test
