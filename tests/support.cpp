#include "support.h"

#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <iostream>
#include <limits>
#include <stdexcept>
#include <utility>

namespace lorentznet::test {
namespace fs = std::filesystem;
namespace {

int& skip_count() {
  static int count = 0;
  return count;
}

}  // namespace

std::optional<fs::path> reference_dir() {
  const char* chosen = std::getenv("LORENTZNET_REFERENCE");
  const fs::path folder =
      chosen != nullptr ? fs::path(chosen)
                        : fs::path(LORENTZNET_SOURCE_DIR).parent_path() / "shared" / "reference";
  if (!fs::is_directory(folder)) return std::nullopt;
  return folder;
}

std::vector<fs::path> golden_files(const std::string& suffix) {
  std::vector<fs::path> folders{fs::path(LORENTZNET_SOURCE_DIR) / "tests" / "data"};
  if (const auto reference = reference_dir()) folders.push_back(*reference / "golden");
  std::vector<fs::path> files;
  for (const auto& folder : folders) {
    if (!fs::is_directory(folder)) continue;
    for (const auto& entry : fs::directory_iterator(folder)) {
      if (entry.path().filename().string().ends_with(suffix)) files.push_back(entry.path());
    }
  }
  std::sort(files.begin(), files.end());
  return files;
}

void skip(const std::string& reason) {
  ++skip_count();
  std::cout << "[skipped] " << reason << '\n';
}

int skips() { return skip_count(); }

double largest_difference(std::span<const double> a, std::span<const double> b) {
  if (a.size() != b.size()) return std::numeric_limits<double>::quiet_NaN();
  double largest = 0;
  for (std::size_t k = 0; k < a.size(); ++k) {
    const double difference = std::abs(a[k] - b[k]);
    if (!std::isfinite(difference)) return std::numeric_limits<double>::quiet_NaN();
    largest = std::max(largest, difference);
  }
  return largest;
}

TemporaryFolder::TemporaryFolder() {
  std::string name = fs::temp_directory_path() / "lorentznet-test-XXXXXX";
  if (mkdtemp(name.data()) == nullptr) throw std::runtime_error("cannot create " + name);
  path_ = name;
}

TemporaryFolder::~TemporaryFolder() {
  std::error_code ignored;
  fs::remove_all(path_, ignored);
}

EnvironmentVariable::EnvironmentVariable(std::string name, const std::string& value)
    : name_(std::move(name)) {
  if (const char* before = std::getenv(name_.c_str())) before_ = before;
  setenv(name_.c_str(), value.c_str(), 1);
}

EnvironmentVariable::~EnvironmentVariable() {
  if (before_) {
    setenv(name_.c_str(), before_->c_str(), 1);
  } else {
    unsetenv(name_.c_str());
  }
}

}  // namespace lorentznet::test
