#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace lorentznet::test {

/// Folder of the published checkpoints and golden values: $LORENTZNET_REFERENCE, else
/// ../shared/reference beside the source tree; nothing where neither is there.
std::optional<std::filesystem::path> reference_dir();

/// Golden files whose names end in `suffix`, of the reference folder and of tests/data.
std::vector<std::filesystem::path> golden_files(const std::string& suffix);

/// Tells ctest that this test case did not run. The caller returns.
void skip(const std::string& reason);

/// A folder of its own for a test, removed at the end.
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

/// An environment variable, while it lives.
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
