#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace lorentznet {

enum class ElementType { kFloat, kDouble, kInt64 };

/// A constant array of numbers, the last axis fastest. Copies share its memory.
class Array {
 public:
  /// Shares `data`, which holds element_count() numbers of `type`.
  /// \throws std::invalid_argument for a negative size or 2^63 bytes or more
  Array(ElementType type, std::vector<std::int64_t> shape, std::shared_ptr<const void> data);
  /// T is float, double or std::int64_t.
  /// \throws std::invalid_argument unless there are as many values as `shape` says
  template <typename T>
  Array(std::vector<std::int64_t> shape, std::vector<T> values);

  ElementType type() const { return type_; }
  /// Empty for a single number.
  const std::vector<std::int64_t>& shape() const { return shape_; }
  std::int64_t element_count() const { return count_; }
  /// In the processor's byte order, which is little-endian.
  std::string_view bytes() const;
  /// \throws std::invalid_argument if T is not the array's type
  template <typename T>
  std::span<const T> as() const;
  /// The array's memory, kept alive by what is returned.
  const std::shared_ptr<const void>& data() const { return data_; }

 private:
  ElementType type_;
  std::vector<std::int64_t> shape_;
  std::int64_t count_;
  std::shared_ptr<const void> data_;
};

/// The named arrays of a network, in the file's order. The names are the network's own
/// ("embedding.weight"), without the "module." that a checkpoint of a training run adds.
using StateDict = std::vector<std::pair<std::string, Array>>;

/// Reads the state dict that Python's torch.save, or write_state_dict, wrote as a zip archive
/// (".pt"): a dict or OrderedDict from names to float, double, int64, half or bfloat16 tensors; the
/// last two become float, exactly. The prefix "module." is removed from the names; all of them have
/// it or none. The device that a tensor was saved from does not matter.
///
/// The file need not be trusted: nothing in it is executed, every length is checked before it is
/// used, and the arrays take no more memory than the file has bytes (but up to 256 MiB from a
/// smaller file, whose tensors may share memory; twice as much of half and bfloat16).
/// \throws InputError, one line that begins with the file's name, for anything else
StateDict read_state_dict(const std::filesystem::path& path);

/// Writes `state` so that Python's torch.load(path, weights_only=True) reads it, as CPU tensors
/// with "module." before every name. Equal contents give equal bytes. The file appears whole or not
/// at all.
/// \param description  JSON for an entry "lorentznet.json", which torch.load passes over; empty:
///                     none
/// \throws std::invalid_argument if a name occurs twice or begins with "module.", or if there is
///         more than read_state_dict reads: 16 axes, or 8 MiB of names and shapes
/// \throws std::system_error if the file can't be written
void write_state_dict(const std::filesystem::path& path, const StateDict& state,
                      const std::string& description = "");

}  // namespace lorentznet
