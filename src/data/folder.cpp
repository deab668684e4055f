#include "data/folder.h"

#include <algorithm>
#include <system_error>

#include "data/input_checks.h"

namespace lorentznet {

std::vector<std::filesystem::path> list_files(const std::filesystem::path& folder,
                                              const std::vector<std::string>& extensions) {
  std::error_code error;
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(folder, error)) {
    const bool wanted = std::find(extensions.begin(), extensions.end(), entry.path().extension()) !=
                        extensions.end();
    if (wanted) files.push_back(entry.path());
  }
  if (error) throw_file_error(folder.string(), "cannot list this folder: " + error.message());
  std::sort(files.begin(), files.end());
  return files;
}

std::string describe_files(const std::vector<std::filesystem::path>& files) {
  constexpr std::size_t most_names = 10;
  if (files.empty()) return "there is no such file at all";
  std::string names;
  for (std::size_t place = 0; place < std::min(files.size(), most_names); ++place) {
    names += (names.empty() ? "" : ", ") + files[place].filename().string();
  }
  if (files.size() > most_names) names += ", ... (" + std::to_string(files.size()) + " files)";
  return "there is " + names;
}

}  // namespace lorentznet
