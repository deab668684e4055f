#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include "lorentznet/checkpoint.h"

namespace lorentznet {

/// What a checkpoint of a training run puts before every name (DistributedDataParallel's attribute
/// for the model that it wraps).
inline constexpr std::string_view kModulePrefix = "module.";

/// What the reader accepts; the writer writes nothing beyond it. A layer of a LorentzNet takes
/// 8 kB of the pickle of a training state, so this is enough for more than 800 layers.
inline constexpr std::uint64_t kMaxPickleBytes = 1 << 23;
inline constexpr std::size_t kMaxAxes = 16;

/// The exact value of a number of IEEE 754's binary16, and of bfloat16, the upper half of a float.
float from_half(std::uint16_t bits);
float from_bfloat16(std::uint16_t bits);

/// How elements are stored, and the storage class that stands for it in the pickle.
struct StorageType {
  ElementType type;                              ///< of the array that they are read into
  std::string_view global;                       ///< "torch NAME"
  std::uint64_t item_size;                       ///< bytes of a stored element
  float (*widen)(std::uint16_t bits) = nullptr;  ///< if stored elements are not of `type`
};

/// First those that are written, in the order of ElementType.
inline constexpr std::array<StorageType, 5> kStorageTypes{{
    {ElementType::kFloat, "torch FloatStorage", sizeof(float)},
    {ElementType::kDouble, "torch DoubleStorage", sizeof(double)},
    {ElementType::kInt64, "torch LongStorage", sizeof(std::int64_t)},
    {ElementType::kFloat, "torch HalfStorage", sizeof(std::uint16_t), from_half},
    {ElementType::kFloat, "torch BFloat16Storage", sizeof(std::uint16_t), from_bfloat16},
}};

/// What a checkpoint says of its network (description.h): an entry in the folder of the others.
inline constexpr std::string_view kDescriptionEntry = "lorentznet.json";

/// The contents of that entry; empty if there is none.
/// \throws InputError, one line that begins with the file's name, if the file is no checkpoint or
/// the
///         entry has more than 1 MiB
std::optional<std::string> read_description_text(const std::filesystem::path& checkpoint);

inline const StorageType& storage_type(ElementType type) {
  return kStorageTypes.at(static_cast<std::size_t>(type));
}

}  // namespace lorentznet
