#include <algorithm>
#include <bit>
#include <stdexcept>

#include "lorentznet/checkpoint.h"
#include "tagger/state_dict_format.h"

namespace lorentznet {
namespace {

static_assert(std::endian::native == std::endian::little);

template <typename T>
constexpr ElementType type_of() {
  if constexpr (std::is_same_v<T, float>) return ElementType::kFloat;
  if constexpr (std::is_same_v<T, double>) return ElementType::kDouble;
  return ElementType::kInt64;
}

std::int64_t count_elements(ElementType type, const std::vector<std::int64_t>& shape) {
  std::int64_t count = 1;
  std::int64_t bytes = static_cast<std::int64_t>(storage_type(type).item_size);
  bool sound = true;
  for (const auto size : shape) {
    // Strides must fit for an empty array too.
    sound = sound && size >= 0 &&
            !__builtin_mul_overflow(bytes, std::max<std::int64_t>(size, 1), &bytes);
    count = sound ? count * size : 0;
  }
  if (!sound) throw std::invalid_argument("an array with a negative size, or of 2^63 bytes");
  return count;
}

template <typename T>
std::shared_ptr<const void> share(std::vector<T> values) {
  const auto owner = std::make_shared<const std::vector<T>>(std::move(values));
  return {owner, owner->data()};
}

}  // namespace

Array::Array(ElementType type, std::vector<std::int64_t> shape, std::shared_ptr<const void> data)
    : type_(type),
      shape_(std::move(shape)),
      count_(count_elements(type, shape_)),
      data_(std::move(data)) {}

template <typename T>
Array::Array(std::vector<std::int64_t> shape, std::vector<T> values)
    : type_(type_of<T>()), shape_(std::move(shape)), count_(count_elements(type_, shape_)) {
  if (values.size() != static_cast<std::size_t>(count_)) {
    throw std::invalid_argument("an array of " + std::to_string(count_) + " elements with " +
                                std::to_string(values.size()) + " values");
  }
  data_ = share(std::move(values));
}

std::string_view Array::bytes() const {
  const auto size = static_cast<std::size_t>(count_) * storage_type(type_).item_size;
  return {static_cast<const char*>(data_.get()), size};
}

template <typename T>
std::span<const T> Array::as() const {
  if (type_ != type_of<T>()) throw std::invalid_argument("an array of another element type");
  return {static_cast<const T*>(data_.get()), static_cast<std::size_t>(count_)};
}

template Array::Array(std::vector<std::int64_t>, std::vector<float>);
template Array::Array(std::vector<std::int64_t>, std::vector<double>);
template Array::Array(std::vector<std::int64_t>, std::vector<std::int64_t>);
template std::span<const float> Array::as() const;
template std::span<const double> Array::as() const;
template std::span<const std::int64_t> Array::as() const;

}  // namespace lorentznet
