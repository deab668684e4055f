#pragma once

#include <c10/core/ScalarType.h>

#include <array>
#include <optional>
#include <string_view>

namespace lorentznet {

/// What a checkpoint of a training run puts in front of every name (DistributedDataParallel's
/// attribute for the model that it wraps).
inline constexpr std::string_view module_prefix = "module.";

/// An element type of a state dict, and the storage class that stands for it in the pickle's
/// module "torch".
struct StorageType {
  at::ScalarType dtype;
  std::string_view global;  ///< "torch NAME"
};

inline constexpr std::array<StorageType, 3> storage_types{{
    {at::ScalarType::Float, "torch FloatStorage"},
    {at::ScalarType::Double, "torch DoubleStorage"},
    {at::ScalarType::Long, "torch LongStorage"},
}};

/// The element type of the storage class "torch NAME".
inline std::optional<at::ScalarType> storage_dtype(std::string_view global) {
  for (const StorageType& type : storage_types) {
    if (type.global == global) return type.dtype;
  }
  return std::nullopt;
}

}  // namespace lorentznet
