#include "fetch/download.h"

#include <fcntl.h>
#include <sys/file.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <map>
#include <sstream>
#include <string_view>
#include <system_error>
#include <thread>

#include "fetch/transfer.h"
#include "io/file.h"
#include "io/hash.h"
#include "io/message.h"
#include "lorentznet/error.h"

namespace lorentznet {
namespace {

using Path = std::filesystem::path;

[[noreturn]] void fail(const PublishedFile& file, const std::string& reason) {
  throw InputError(file.url + ": " + reason);
}

/// 0 if there is no such file. \throws std::filesystem::filesystem_error if that cannot be known: a
/// part must not be taken for an empty one.
std::uint64_t size_of(const Path& path) {
  return std::filesystem::exists(path) ? std::filesystem::file_size(path) : 0;
}

std::string lower_case(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(), [](unsigned char c) {
    return static_cast<char>(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
  });
  return text;
}

/// Servers send login pages and error pages with status 200, too.
bool is_web_page(const Path& path) {
  std::array<char, 256> bytes{};
  const std::size_t got = FileSource(path).read(bytes);
  const std::string start = lower_case({bytes.data(), got});
  const std::size_t first = start.find_first_not_of(" \t\r\n\xef\xbb\xbf");
  if (first == std::string::npos) return false;
  const std::string_view text = std::string_view(start).substr(first);
  return text.starts_with("<!doctype") || text.starts_with("<html") || text.starts_with("<?xml") ||
         text.starts_with("<head");
}

/// Whether a file begins as its format does.
bool begins_as_named(const Path& part, const std::string& name) {
  std::array<char, 4> bytes{};
  const std::size_t got = FileSource(part).read(bytes);
  const std::string_view magic(bytes.data(), got);
  if (name.ends_with(".npz")) return magic.starts_with("PK");
  if (name.ends_with(".h5")) return magic == "\x89HDF";
  return true;
}

/// Downloads into `part` until the file is complete, however often the connection breaks.
void fetch(const PublishedFile& file, const Path& part, const DownloadOptions& options) {
  int failures = 0;
  auto wait = options.first_wait;
  for (;;) {
    const std::uint64_t before = size_of(part);
    const Transfer result = transfer(file.url, part, options.patience, [&](auto done, auto total) {
      options.progress(file.name, done, total);
    });
    if (result.end == Transfer::End::kComplete) return;
    if (result.end == Transfer::End::kRefused) fail(file, result.reason);
    if (result.end == Transfer::End::kCannotContinue && before > 0) {
      options.log(file.name + ": the server cannot continue a download, starting again");
      std::filesystem::remove(part);
      continue;
    }
    if (size_of(part) > before) {
      failures = 0;
      wait = options.first_wait;
    }
    if (++failures >= options.attempts) {
      fail(file, result.reason + " (" + std::to_string(failures) +
                     " attempts; the same command continues the download)");
    }
    options.log(file.name + ": " + result.reason + "; trying again");
    std::this_thread::sleep_for(wait);
    wait *= 2;
  }
}

/// \return the SHA-256 of a complete file. \throws InputError, and removes it, if it is wrong
std::string check(const PublishedFile& file, const Path& part) {
  std::string reason;
  if (is_web_page(part)) {
    reason = "the server sent a web page instead of the file";
  } else if (!begins_as_named(part, file.name)) {
    reason = "the server sent something other than the file " + in_quotes(file.name);
  }
  if (const auto bytes = size_of(part); reason.empty() && file.bytes != 0 && bytes != file.bytes) {
    reason =
        "the file has " + std::to_string(bytes) + " bytes, expected " + std::to_string(file.bytes);
  }
  const std::string sha256 = reason.empty() ? sha256_of_file(part) : "";
  if (reason.empty() && !file.sha256.empty() && sha256 != file.sha256) {
    reason = "the file has SHA-256 " + sha256 + ", expected " + file.sha256;
  }
  if (reason.empty()) return sha256;
  std::filesystem::remove(part);
  fail(file, reason);
}

Path mark_of(const Path& folder) { return folder / "unfinished-download"; }
Path sums_of(const Path& folder) { return folder / "SHA256SUMS"; }

/// The file that marks an unfinished download, locked while this lives.
class DownloadMark {
 public:
  explicit DownloadMark(const Path& folder)
      : path_(mark_of(folder)), file_(open_file(path_, O_RDWR | O_CREAT | O_CLOEXEC)) {
    if (!file_.is_open()) {
      throw std::system_error(errno, std::generic_category(),
                              path_.string() + ": cannot be written");
    }
    if (!lock(file_, LOCK_EX) && errno == EWOULDBLOCK) {
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
  constexpr std::size_t kMostBytes = 1 << 20;
  Checksums sums;
  if (!std::filesystem::exists(file)) return sums;
  std::istringstream lines(read_file(file, kMostBytes));
  for (std::string sha256, name; lines >> sha256 >> name;) sums[name] = sha256;
  return sums;
}

void write_checksums(const Path& file, const Checksums& sums) {
  std::string text;
  for (const auto& [name, sha256] : sums) text += sha256 + "  " + name + "\n";
  write_file_whole(file, text);
}

/// \param part  where it goes to
/// \return the file's SHA-256
std::string download(const PublishedFile& file, const Path& part, const DownloadOptions& options) {
  const bool is_continued = size_of(part) > 0;
  fetch(file, part, options);
  try {
    return check(file, part);
  } catch (const InputError&) {
    // The part may have been another file's, or damaged: once more from the start.
    if (!is_continued) throw;
    options.log(file.name + ": the part that was there does not match, starting again");
    fetch(file, part, options);
    return check(file, part);
  }
}

/// Downloads the files that are not in `folder`, which this process has marked.
void download_missing(const std::vector<PublishedFile>& files, const Path& folder,
                      const DownloadOptions& options) {
  const Path pins = sums_of(folder);
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
    const Path part = target.string() + ".part";
    const std::string sha256 = download(file, part, options);
    if (file.sha256.empty()) {
      // Before the file has its name: no later download looks at it again.
      options.log(file.name + ": SHA-256 " + sha256 + ", saved in " + pins.string());
      sums[file.name] = sha256;
      write_checksums(pins, sums);
    }
    make_durable(part, target);
  }
}

/// Whether an earlier download, of more files, was interrupted.
bool has_parts(const Path& folder) { return !list_files(folder, {".part"}).empty(); }

/// Removes a folder with what is in it, whatever signals come.
void remove_folder(const Path& folder) {
  std::error_code error;
  do {
    std::filesystem::remove_all(folder, error);
  } while (error == std::errc::interrupted);
  if (error) throw std::system_error(error, folder.string() + ": cannot be removed");
}

}  // namespace

bool is_unfinished(const Path& folder) { return std::filesystem::exists(mark_of(folder)); }

void download_all(const std::vector<PublishedFile>& files, const Path& folder,
                  const DownloadOptions& options) {
  make_folders(folder);
  const DownloadMark mark(folder);
  download_missing(files, folder, options);
  if (!has_parts(folder)) mark.remove();
}

void download_together(const std::vector<PublishedFile>& files, const Path& folder,
                       const DownloadOptions& options) {
  std::vector<PublishedFile> missing;
  for (const auto& file : files) {
    if (const Path path = folder / file.name; !std::filesystem::exists(path)) {
      missing.push_back(file);
    } else if (!file.sha256.empty() && sha256_of_file(path) != file.sha256) {
      throw InputError(path.string() + ": is not the published file, with which " +
                       "others would be downloaded into its folder");
    }
  }
  if (missing.empty()) return;
  // Beside the folder, and not in it: an interrupted download continues there.
  const Path place = folder.parent_path() / ("." + folder.filename().string() + ".download");
  const auto made = make_folders(place);
  const DownloadMark mark(place);
  try {
    download_missing(missing, place, options);
    make_folders(folder);
    for (const auto& file : missing) make_durable(place / file.name, folder / file.name);
    remove_folder(place);
  } catch (...) {
    std::error_code ignored;
    std::filesystem::remove_all(place, ignored);
    for (const auto& path : made) std::filesystem::remove(path, ignored);  // if it is empty
    throw;
  }
}

std::vector<Path> other_contents(const Path& folder) {
  std::vector<Path> others;
  if (!std::filesystem::exists(folder)) return others;
  const auto downloaded = read_checksums(sums_of(folder));
  for (const auto& path : list_folder(folder)) {
    const bool is_ours = path == mark_of(folder) || path == sums_of(folder) ||
                         path.extension() == ".part" ||
                         downloaded.contains(path.filename().string());
    if (!is_ours && !path.filename().string().starts_with(".")) others.push_back(path);
  }
  return others;
}

std::uint64_t bytes_to_download(const std::vector<PublishedFile>& files, const Path& folder) {
  std::uint64_t sum = 0;
  for (const auto& file : files) {
    if (std::filesystem::exists(folder / file.name)) continue;
    const auto bytes = file.bytes != 0 ? file.bytes : announced_size(file.url);
    if (bytes == 0) return 0;
    sum += bytes;
  }
  return sum;
}

}  // namespace lorentznet
