#include <fcntl.h>
#include <sys/file.h>

#include <cerrno>
#include <map>
#include <sstream>
#include <system_error>

#include "fetch/download.h"
#include "io/file.h"
#include "lorentznet/error.h"

namespace lorentznet {
namespace {

using Path = std::filesystem::path;

Path mark_of(const Path& folder) { return folder / "unfinished-download"; }

/// The mark of an unfinished download, locked while it lives.
class DownloadMark {
 public:
  explicit DownloadMark(const Path& folder)
      : path_(mark_of(folder)), file_(::open(path_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666)) {
    if (!file_.is_open()) {
      throw std::system_error(errno, std::generic_category(),
                              path_.string() + ": cannot be written");
    }
    if (::flock(file_.get(), LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) {
      throw InputError(folder.string() + ": another process is downloading into this folder");
    }
  }
  void remove() const { std::filesystem::remove(path_); }

 private:
  Path path_;
  FileDescriptor file_;
};

using Checksums = std::map<std::string, std::string>;  // file's name -> SHA-256

Checksums read_checksums(const Path& file) {
  constexpr std::size_t most_bytes = 1 << 20;
  Checksums sums;
  if (!std::filesystem::exists(file)) return sums;
  std::istringstream lines(read_file(file, most_bytes));
  for (std::string sha256, name; lines >> sha256 >> name;) sums[name] = sha256;
  return sums;
}

void write_checksums(const Path& file, const Checksums& sums) {
  std::string text;
  for (const auto& [name, sha256] : sums) text += sha256 + "  " + name + "\n";
  write_file_whole(file, text);
}

}  // namespace

bool is_unfinished(const Path& folder) { return std::filesystem::exists(mark_of(folder)); }

void download_all(const std::vector<PublishedFile>& files, const Path& folder,
                  const DownloadOptions& options) {
  std::filesystem::create_directories(folder);
  const DownloadMark mark(folder);
  const Path pins = folder / "SHA256SUMS";
  auto sums = read_checksums(pins);
  std::size_t number = 0;
  for (PublishedFile file : files) {
    ++number;
    const Path target = folder / file.name;
    if (std::filesystem::exists(target)) continue;
    const bool pinned = file.sha256.empty() && sums.contains(file.name);
    if (pinned) file.sha256 = sums.at(file.name);
    options.log("Downloading " + file.name + " (" + std::to_string(number) + " of " +
                std::to_string(files.size()) + ") from " + file.url);
    const std::string sha256 = download(file, target, options);
    if (!file.sha256.empty()) continue;
    options.log(file.name + ": SHA-256 " + sha256 + ", kept in " + pins.string());
    sums[file.name] = sha256;
    write_checksums(pins, sums);
  }
  mark.remove();
}

}  // namespace lorentznet
