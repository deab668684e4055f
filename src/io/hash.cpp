#include "io/hash.h"

#include <openssl/evp.h>
#include <xxhash.h>

#include <array>
#include <stdexcept>
#include <vector>

#include "io/file.h"

namespace lorentznet {
namespace {

EVP_MD_CTX* as_context(void* context) { return static_cast<EVP_MD_CTX*>(context); }

void require(int status) {
  if (status != 1) throw std::runtime_error("OpenSSL does not provide SHA-256");
}

}  // namespace

void Sha256::Free::operator()(void* context) const { EVP_MD_CTX_free(as_context(context)); }

Sha256::Sha256() : context_(EVP_MD_CTX_new()) {
  require(EVP_DigestInit_ex(as_context(context_.get()), EVP_sha256(), nullptr));
}

void Sha256::add(std::span<const char> bytes) {
  require(EVP_DigestUpdate(as_context(context_.get()), bytes.data(), bytes.size()));
}

std::string Sha256::finish() {
  constexpr char kHex[] = "0123456789abcdef";
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned size = 0;
  require(EVP_DigestFinal_ex(as_context(context_.get()), digest.data(), &size));
  std::string text;
  for (unsigned place = 0; place < size; ++place) {
    text += kHex[digest[place] >> 4];
    text += kHex[digest[place] & 15];
  }
  return text;
}

std::string sha256_of_file(const std::filesystem::path& path, const std::stop_token& stop) {
  constexpr std::size_t kChunk = std::size_t{1} << 20;
  FileSource source(path);
  std::vector<char> bytes(kChunk);
  Sha256 sum;
  for (std::size_t got = kChunk; got == kChunk && !stop.stop_requested();) {
    got = source.read(bytes);
    sum.add(std::span(bytes).first(got));
  }
  return sum.finish();
}

std::uint64_t fast_hash(std::span<const std::byte> bytes) {
  return XXH3_64bits(bytes.data(), bytes.size());
}

}  // namespace lorentznet
