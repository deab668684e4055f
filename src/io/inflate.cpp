#include "io/inflate.h"

#include <isa-l.h>

#include <algorithm>
#include <limits>
#include <utility>

namespace lorentznet {
namespace {

constexpr std::size_t kPackedBytes = 1 << 16;

std::string reason_of(int code) {
  switch (code) {
    case ISAL_INVALID_BLOCK:
      return "invalid deflate block";
    case ISAL_INVALID_SYMBOL:
      return "invalid deflate symbol";
    case ISAL_INVALID_LOOKBACK:
      return "invalid deflate distance";
    default:
      return "invalid deflate stream (" + std::to_string(code) + ")";
  }
}

}  // namespace

void Inflater::Deleter::operator()(inflate_state* state) const { delete state; }

Inflater::Inflater(Source source)
    : source_(std::move(source)), state_(new inflate_state), packed_(kPackedBytes) {
  isal_inflate_init(state_.get());
  state_->crc_flag = ISAL_DEFLATE;
}

/// \return false at the end of the packed bytes
bool Inflater::refill() {
  const auto got = source_(packed_);
  state_->next_in = reinterpret_cast<std::uint8_t*>(packed_.data());
  state_->avail_in = static_cast<std::uint32_t>(got);
  return got > 0;
}

std::size_t Inflater::read(std::span<char> out) {
  const auto size = static_cast<std::uint32_t>(
      std::min<std::size_t>(out.size(), std::numeric_limits<std::int32_t>::max()));
  state_->next_out = reinterpret_cast<std::uint8_t*>(out.data());
  state_->avail_out = size;
  while (state_->avail_out == size && error_.empty()) {
    const bool ended =
        state_->avail_in == 0 && state_->block_state != ISAL_BLOCK_FINISH && !refill();
    const int code = isal_inflate(state_.get());
    if (code < 0) error_ = reason_of(code);
    if (state_->avail_out < size || state_->block_state == ISAL_BLOCK_FINISH) break;
    if (ended) error_ = "the compressed bytes end too early";
  }
  const std::size_t filled = size - state_->avail_out;
  checksum_ = crc32_gzip_refl(checksum_, reinterpret_cast<unsigned char*>(out.data()), filled);
  return error_.empty() ? filled : 0;
}

}  // namespace lorentznet
