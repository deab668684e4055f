#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>

namespace lorentznet {

/// How one attempt to get a file ended.
struct Transfer {
  enum class End {
    kWhole,
    kRefused,     ///< the server's last word: 404, 403, an address that is none, ...
    kCannotGoOn,  ///< the server can only send the file from its start
    kBroken,      ///< worth another attempt: no connection, cut off, too slow, 503, ...
  };
  End end = End::kWhole;
  std::string reason;
};

/// Gets what `part` lacks of a file, and appends it.
/// \param patience  with less than a byte a second
/// \param progress  called with the bytes of the part and those in all, 0 where these aren't known
/// \throws std::system_error if `part` cannot be written
Transfer transfer(const std::string& url, const std::filesystem::path& part,
                  std::chrono::seconds patience,
                  const std::function<void(std::uint64_t, std::uint64_t)>& progress);

}  // namespace lorentznet
