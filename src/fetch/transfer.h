#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>

namespace lorentznet {

/// How one attempt to download a file ended.
struct Transfer {
  enum class End {
    kComplete,
    kRefused,         ///< for good: 404, 403, an invalid address, ...
    kCannotContinue,  ///< the server can only send the file from its start
    kBroken,          ///< worth another attempt: no connection, interrupted, too slow, 503, ...
  };
  End end = End::kComplete;
  std::string reason;
};

/// Downloads what is missing from `part` and appends it.
/// \param patience  with less than one byte per second
/// \param progress  called with the bytes so far and in all (0: unknown)
/// \throws std::system_error if `part` cannot be written
Transfer transfer(const std::string& url, const std::filesystem::path& part,
                  std::chrono::seconds patience,
                  const std::function<void(std::uint64_t, std::uint64_t)>& progress);

/// The bytes of a file as its server announces them; 0 if it does not within seconds.
std::uint64_t announced_size(const std::string& url);

}  // namespace lorentznet
