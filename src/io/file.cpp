#include "io/file.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <system_error>
#include <utility>

#include "io/message.h"
#include "lorentznet/error.h"

namespace lorentznet {
namespace {

[[noreturn]] void fail_write(const std::filesystem::path& path, const std::string& action) {
  const int reason = errno;
  throw std::system_error(reason, std::generic_category(), path.string() + ": cannot " + action);
}

[[noreturn]] void fail_read(const std::filesystem::path& path, const std::string& action) {
  const int reason = errno;
  throw InputError(path.string() + ": cannot be " + action + ": " +
                   std::generic_category().message(reason));
}

std::filesystem::path folder_of(const std::filesystem::path& file) {
  return file.has_parent_path() ? file.parent_path() : std::filesystem::path(".");
}

/// Makes a system call again when a signal interrupts it. \return its result
template <typename Call>
int uninterrupted(const Call& call) {
  int result = -1;
  do {
    result = call();
  } while (result == -1 && errno == EINTR);
  return result;
}

bool sync(const FileDescriptor& file) {
  return uninterrupted([&] { return ::fsync(file.get()); }) == 0;
}

/// What gets a name is durable only after its folder is synced.
void sync_folder(const std::filesystem::path& folder) {
  const auto descriptor = open_file(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (!descriptor.is_open() && errno == EACCES) return;  // may be written, but not read
  if (!descriptor.is_open()) fail_write(folder, "be opened to sync it");
  // EINVAL: a file system that cannot sync folders.
  if (!sync(descriptor) && errno != EINVAL) fail_write(folder, "be synced");
}

}  // namespace

FileDescriptor& FileDescriptor::operator=(FileDescriptor&& other) noexcept {
  if (this != &other) {
    if (is_open()) ::close(fd_);
    fd_ = other.release();
  }
  return *this;
}

FileDescriptor::~FileDescriptor() {
  if (is_open()) ::close(fd_);
}

int FileDescriptor::release() noexcept { return std::exchange(fd_, -1); }

void FileDescriptor::write_all(std::string_view bytes, const std::filesystem::path& path) const {
  while (!bytes.empty()) {
    const ssize_t written = ::write(fd_, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) fail_write(path, "be written");
    // A short write is not an error by itself; the next call reports the reason.
    bytes.remove_prefix(static_cast<std::size_t>(written));
  }
}

FileDescriptor open_file(const std::filesystem::path& path, int flags) {
  constexpr mode_t kReadAndWrite = 0666;
  return FileDescriptor(uninterrupted([&] { return ::open(path.c_str(), flags, kReadAndWrite); }));
}

bool lock(const FileDescriptor& file, int operation) {
  return uninterrupted([&] { return ::flock(file.get(), operation | LOCK_NB); }) == 0;
}

FileSource::FileSource(std::filesystem::path path)
    : path_(std::move(path)), file_(open_file(path_, O_RDONLY | O_CLOEXEC)) {
  struct stat status {};
  if (!file_.is_open() || ::fstat(file_.get(), &status) != 0) fail_read(path_, "opened");
  size_ = static_cast<std::uint64_t>(status.st_size);
}

std::size_t FileSource::read(std::span<char> out) {
  std::size_t filled = 0;
  while (filled < out.size()) {
    const ssize_t got = ::read(file_.get(), out.data() + filled, out.size() - filled);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) fail_read(path_, "read");
    if (got == 0) break;
    filled += static_cast<std::size_t>(got);
  }
  return filled;
}

std::string read_file(const std::filesystem::path& path, std::size_t max_bytes) {
  constexpr std::size_t kChunk = 1 << 16;
  FileSource source(path);
  std::string contents;
  // Not by the recorded size, which is 0 for a pipe and may change.
  for (bool more = true; more;) {
    const std::size_t before = contents.size();
    contents.resize(before + std::max(kChunk, before));
    const std::size_t got = source.read(std::span(contents).subspan(before));
    more = before + got == contents.size();
    contents.resize(before + got);
    if (contents.size() > max_bytes) {
      throw InputError(
          path.string() + ": holds " +
          std::to_string(std::max<std::uint64_t>(source.announced_size(), contents.size())) +
          " bytes or more, expected at most " + std::to_string(max_bytes));
    }
  }
  return contents;
}

WholeFile::WholeFile(std::filesystem::path target) : target_(std::move(target)) {
  const std::string stem = target_.string() + "." + std::to_string(::getpid()) + ".";
  // O_EXCL makes the name unique even if another machine shares the file system.
  for (int number = 0; !file_.is_open(); ++number) {
    partial_ = stem + std::to_string(number) + ".partial";
    file_ = open_file(partial_, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC);
    if (!file_.is_open() && errno != EEXIST) fail_write(target_, "be written");
  }
}

WholeFile::~WholeFile() {
  if (!partial_.empty()) ::unlink(partial_.c_str());
}

void WholeFile::append(std::string_view bytes) { file_.write_all(bytes, target_); }

void WholeFile::commit() {
  if (!sync(file_)) fail_write(target_, "be synced to disk");
  // A close that a signal interrupts has closed the file.
  if (::close(file_.release()) != 0 && errno != EINTR) fail_write(target_, "be closed");
  if (::rename(partial_.c_str(), target_.c_str()) != 0) fail_write(target_, "be replaced");
  partial_.clear();
  sync_folder(folder_of(target_));
}

void make_durable(const std::filesystem::path& file, const std::filesystem::path& target) {
  const auto descriptor = open_file(file, O_RDWR | O_CLOEXEC);
  if (!descriptor.is_open() || !sync(descriptor)) fail_write(file, "be synced to disk");
  if (::rename(file.c_str(), target.c_str()) != 0) fail_write(target, "be replaced");
  sync_folder(folder_of(target));
}

std::vector<std::filesystem::path> make_folders(const std::filesystem::path& folder) {
  std::vector<std::filesystem::path> made;
  for (auto path = folder; !path.empty() && !std::filesystem::exists(path);
       path = path.parent_path()) {
    made.push_back(path);
  }
  std::for_each(made.rbegin(), made.rend(), [](const auto& path) {
    std::filesystem::create_directory(path);
    sync_folder(folder_of(path));
  });
  return made;
}

void write_file_whole(const std::filesystem::path& path, std::string_view contents) {
  WholeFile file(path);
  file.append(contents);
  file.commit();
}

MappedFile map_file(const std::filesystem::path& path) {
  const auto file = open_file(path, O_RDONLY | O_CLOEXEC);
  struct stat status {};
  if (!file.is_open() || ::fstat(file.get(), &status) != 0) fail_read(path, "mapped");
  const auto size = static_cast<std::size_t>(status.st_size);
  if (size == 0) return {};
  void* const begin = ::mmap(nullptr, size, PROT_READ, MAP_SHARED, file.get(), 0);
  if (begin == MAP_FAILED) fail_read(path, "mapped");
  std::shared_ptr<const void> memory(
      begin, [size](const void* mapped) { ::munmap(const_cast<void*>(mapped), size); });
  return {memory, {static_cast<const char*>(begin), size}};
}

std::vector<std::filesystem::path> list_folder(const std::filesystem::path& folder) {
  std::error_code error;
  std::vector<std::filesystem::path> paths;
  do {
    paths.clear();
    std::filesystem::directory_iterator entry(folder, error);
    // Not by a range: its increment throws an error that does not name the folder.
    for (; !error && entry != std::filesystem::directory_iterator(); entry.increment(error)) {
      paths.push_back(entry->path());
    }
  } while (error == std::errc::interrupted);
  if (error) throw_file_error(folder.string(), "cannot list this folder: " + error.message());
  std::sort(paths.begin(), paths.end());
  return paths;
}

std::vector<std::filesystem::path> list_files(const std::filesystem::path& folder,
                                              const std::vector<std::string>& extensions) {
  auto files = list_folder(folder);
  std::erase_if(files, [&](const auto& file) {
    return std::find(extensions.begin(), extensions.end(), file.extension()) == extensions.end();
  });
  return files;
}

std::string describe_files(const std::vector<std::filesystem::path>& files) {
  constexpr std::size_t kMostNames = 10;
  if (files.empty()) return "there is no such file at all";
  std::string names;
  for (std::size_t place = 0; place < std::min(files.size(), kMostNames); ++place) {
    names += (names.empty() ? "" : ", ") + files[place].filename().string();
  }
  if (files.size() > kMostNames) names += ", ... (" + std::to_string(files.size()) + " files)";
  return "there is " + names;
}

}  // namespace lorentznet
