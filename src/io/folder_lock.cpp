#include "io/folder_lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <ctime>
#include <sstream>
#include <system_error>
#include <thread>
#include <vector>

#include "lorentznet/error.h"

namespace lorentznet {
namespace {

constexpr auto kPause = std::chrono::milliseconds(50);
constexpr std::string_view kEnded = "ended: ";

std::string name_of_host() {
  std::array<char, 256> name{};
  return ::gethostname(name.data(), name.size() - 1) == 0 ? name.data() : "an unknown host";
}

/// Of this machine, with the difference from UTC: "2026-01-31 08:15:00 +0100".
std::string time_now() {
  const std::time_t now = std::time(nullptr);
  std::tm local{};
  std::array<char, 64> text{};
  ::localtime_r(&now, &local);
  return {text.data(), std::strftime(text.data(), text.size(), "%Y-%m-%d %H:%M:%S %z", &local)};
}

/// Another user's file may not be writable, but can be locked.
FileDescriptor open_lock_file(const std::filesystem::path& path) {
  auto file = open_file(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC);
  if (!file.is_open() && errno == EACCES) file = open_file(path, O_RDONLY | O_CLOEXEC);
  if (!file.is_open()) throw std::system_error(errno, std::generic_category(), path.string());
  return file;
}

bool is_writable(const FileDescriptor& file) {
  return (::fcntl(file.get(), F_GETFL) & O_ACCMODE) == O_RDWR;
}

/// Whether `path` still is this file: its last holder may have removed it after it was opened.
bool is_at(const FileDescriptor& file, const std::filesystem::path& path) {
  struct stat opened {
  }, named{};
  return ::fstat(file.get(), &opened) == 0 && ::stat(path.c_str(), &named) == 0 &&
         opened.st_dev == named.st_dev && opened.st_ino == named.st_ino;
}

/// "training on node7, pid 42, since ...; test on ..."
std::string holders_in(const std::filesystem::path& path) {
  constexpr std::size_t kMaxBytes = 1 << 16;
  std::vector<std::string> holders;
  try {
    std::istringstream lines(read_file(path, kMaxBytes));
    for (std::string line; std::getline(lines, line);) {
      if (!line.starts_with(kEnded)) {
        holders.push_back(line);
        continue;
      }
      const auto ended = std::find(holders.begin(), holders.end(), line.substr(kEnded.size()));
      if (ended != holders.end()) holders.erase(ended);
    }
  } catch (const InputError&) {  // it is gone, or nothing of ours
  }
  std::string text;
  for (const auto& holder : holders) text += (text.empty() ? "by a " : "; a ") + holder;
  return text.empty() ? "by another process" : text;
}

/// Fails on a full disk; then others are told of another process, without its name.
void append(const FileDescriptor& file, const std::string& line,
            const std::filesystem::path& path) {
  try {
    file.write_all(line + "\n", path);
  } catch (const std::system_error&) {
  }
}

}  // namespace

FolderLock::~FolderLock() {
  if (!file_.is_open()) return;
  if (!lock(file_, LOCK_EX)) {  // others hold it
    append(file_, std::string(kEnded) + line_, path_);
  } else if (is_at(file_, path_)) {
    ::unlink(path_.c_str());
  }
}

std::string FolderLock::take(const std::filesystem::path& folder, Kind kind,
                             const std::string& holder, const std::string& advice,
                             std::chrono::milliseconds patience) {
  if (asked_) return {};
  asked_ = true;
  path_ = folder / file_name_;
  const auto end = std::chrono::steady_clock::now() + patience;
  for (;;) {
    auto file = open_lock_file(path_);
    const bool alone = lock(file, LOCK_EX);
    if (alone || (kind == Kind::kShared && lock(file, LOCK_SH))) {
      if (sign(std::move(file), kind, alone, holder)) return {};
    } else if (errno != EWOULDBLOCK) {
      const int reason = errno;
      ::unlink(path_.c_str());
      return folder.string() + ": cannot be locked: " + std::generic_category().message(reason);
    }
    if (std::chrono::steady_clock::now() >= end) {
      throw InputError(folder.string() + ": in use " + holders_in(path_) + advice);
    }
    std::this_thread::sleep_for(kPause);
  }
}

/// Keeps the lock on `file`, if that still is the folder's, and writes the line of this process.
/// \param alone  whether the lock is still an exclusive one
bool FolderLock::sign(FileDescriptor file, Kind kind, bool alone, const std::string& holder) {
  if (!is_at(file, path_)) return false;
  if (alone && !is_writable(file) && ::unlink(path_.c_str()) == 0) return false;  // for our own
  // What is in the file was left by processes that were killed.
  if (alone && is_writable(file) && ::ftruncate(file.get(), 0) != 0) return false;
  line_ = holder + " on " + name_of_host() + ", pid " + std::to_string(::getpid()) + ", since " +
          time_now();
  append(file, line_, path_);
  if (alone && kind == Kind::kShared && !lock(file, LOCK_SH)) return false;
  file_ = std::move(file);
  return true;
}

}  // namespace lorentznet
