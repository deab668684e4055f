#include "io/mapped_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <cerrno>
#include <system_error>

#include "io/file.h"
#include "lorentznet/error.h"

namespace lorentznet {
namespace {

[[noreturn]] void fail(const std::filesystem::path& path) {
  const int reason = errno;
  throw InputError(path.string() +
                   ": cannot be mapped: " + std::generic_category().message(reason));
}

}  // namespace

MappedFile map_file(const std::filesystem::path& path) {
  const FileDescriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  struct stat status {};
  if (!file.is_open() || ::fstat(file.get(), &status) != 0) fail(path);
  const auto size = static_cast<std::size_t>(status.st_size);
  if (size == 0) return {};
  void* const begin = ::mmap(nullptr, size, PROT_READ, MAP_SHARED, file.get(), 0);
  if (begin == MAP_FAILED) fail(path);
  std::shared_ptr<const void> memory(
      begin, [size](const void* mapped) { ::munmap(const_cast<void*>(mapped), size); });
  return {memory, {static_cast<const char*>(begin), size}};
}

}  // namespace lorentznet
