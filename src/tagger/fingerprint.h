#pragma once

#include <mutex>
#include <string>
#include <string_view>
#include <utility>

namespace lorentznet {

/// SHA-256 (FIPS 180-4) of `bytes`, 64 hexadecimal digits. For a checkpoint, where the tagger needs
/// no library; io/hash.h is ten times as fast.
std::string sha256_of(std::string_view bytes);

/// That of a file, computed when it is first asked for: it takes as long as all else of opening a
/// checkpoint. Thread-safe.
class Fingerprint {
 public:
  explicit Fingerprint(std::string bytes) : bytes_(std::move(bytes)) {}

  const std::string& get() const {
    std::call_once(once_, [this] {
      digits_ = sha256_of(bytes_);
      bytes_ = std::string();
    });
    return digits_;
  }

 private:
  mutable std::once_flag once_;
  mutable std::string bytes_, digits_;
};

}  // namespace lorentznet
