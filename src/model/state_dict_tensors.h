#pragma once

#include <ATen/core/Tensor.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "io/zip.h"
#include "model/pickle_reader.h"
#include "model/state_dict_format.h"

namespace lorentznet {

/// Turns values of a checkpoint's pickle into tensors, whose elements are entries "data/KEY" of its
/// archive. Everything in both is checked; what doesn't fit together throws InputError.
class TensorReader {
 public:
  static constexpr std::string_view rebuild_tensor = "torch._utils _rebuild_tensor_v2";
  static constexpr std::string_view rebuild_parameter = "torch._utils _rebuild_parameter";

  /// The globals that the pickle of a state dict may refer to.
  static constexpr std::array<std::string_view, 6> allowed_globals{
      "collections OrderedDict", rebuild_tensor,          rebuild_parameter,
      storage_types[0].global,   storage_types[1].global, storage_types[2].global};

  /// `folder` is the one that all entries of `archive` are in. `archive` and `pickle` must outlive
  /// the reader.
  TensorReader(const ZipArchive& archive, std::string folder, const Pickle& pickle)
      : archive_(archive), folder_(std::move(folder)), pickle_(pickle) {}

  /// The tensor or nn.Parameter that `value` stands for: contiguous, on the CPU, owning its memory.
  /// `what` begins the messages: "FILE: 'NAME'".
  at::Tensor tensor(const PickleValue& value, const std::string& what);

 private:
  using Indices = std::vector<std::uint32_t>;

  const PickleValue& unwrap_parameter(const PickleValue& value, const std::string& what) const;
  const Indices& call_arguments(const PickleValue& value, std::string_view function,
                                std::size_t fewest, std::size_t most,
                                const std::string& what) const;
  at::Tensor storage(const PickleValue& value, const std::string& what);
  at::Tensor load_storage(const std::string& key, at::ScalarType dtype, std::int64_t count,
                          const std::string& what);
  std::int64_t non_negative(const PickleValue& value, const std::string& what) const;
  std::vector<std::int64_t> numbers(const PickleValue& value, const std::string& what) const;
  void count_bytes(std::uint64_t bytes, const std::string& what);

  const ZipArchive& archive_;
  std::string folder_;
  const Pickle& pickle_;
  std::map<std::string, at::Tensor, std::less<>> storages_;  // by key: [number of elements]
  std::uint64_t total_bytes_ = 0;
};

}  // namespace lorentznet
