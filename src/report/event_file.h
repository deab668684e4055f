#pragma once

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace lorentznet {

/// A figure under the name by which TensorBoard groups and draws it.
struct Scalar {
  std::string tag;
  double value;  ///< kept as float, as TensorBoard's scalars are
};

/// How the names of TensorBoard's files begin.
inline constexpr std::string_view kEventFilePrefix = "events.out.tfevents.";

/// A file of scalars for TensorBoard: events.out.tfevents.* in `folder`.
///
/// The format: TFRecord, [length u64, masked CRC of it, bytes, masked CRC of them], each record a
/// protobuf message tensorflow.Event (tensorboard/compat/proto/event.proto).
class EventFile {
 public:
  /// Begins a new file. \throws std::system_error naming it
  /// \param resumed_at  the step a training goes on from: what other files of the folder have of
  ///                    later steps is void. TensorBoard then leaves it out.
  explicit EventFile(const std::filesystem::path& folder,
                     std::optional<std::int64_t> resumed_at = std::nullopt);

  /// Appends, and hands all to the system, so that a reader sees it.
  void add(std::int64_t step, const std::vector<Scalar>& scalars);

 private:
  void write_record(const std::string& event);

  std::filesystem::path file_;
  std::ofstream stream_;
};

/// CRC-32C (Castagnoli) of `bytes`.
std::uint32_t crc32c(const std::string& bytes);

}  // namespace lorentznet
