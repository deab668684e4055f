#pragma once

#include <array>
#include <string_view>

#include "lorentznet/checkpoint.h"

namespace lorentznet {

/// What a checkpoint of a training run puts before every name (DistributedDataParallel's attribute
/// for the model that it wraps).
inline constexpr std::string_view kModulePrefix = "module.";

/// An element type, and the storage class that stands for it in the pickle.
struct StorageType {
  ElementType type;
  std::string_view global;  ///< "torch NAME"
  std::uint64_t item_size;  ///< bytes of an element
};

/// In the order of ElementType.
inline constexpr std::array<StorageType, 3> kStorageTypes{{
    {ElementType::kFloat, "torch FloatStorage", sizeof(float)},
    {ElementType::kDouble, "torch DoubleStorage", sizeof(double)},
    {ElementType::kInt64, "torch LongStorage", sizeof(std::int64_t)},
}};

inline const StorageType& storage_type(ElementType type) {
  return kStorageTypes.at(static_cast<std::size_t>(type));
}

}  // namespace lorentznet
