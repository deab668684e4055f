#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "io/file.h"

namespace lorentznet {

/// A figure and the name under which TensorBoard groups and draws it.
struct Scalar {
  std::string tag;
  double value;  ///< written as float: TensorBoard's scalars are
};

/// How the names of TensorBoard's files begin.
inline constexpr std::string_view kEventFilePrefix = "events.out.tfevents.";

/// A file of scalars for TensorBoard, events.out.tfevents.*.
///
/// Its format is TFRecord: [length u64, masked CRC of it, bytes, masked CRC of them]. Each record
/// is a protobuf message tensorflow.Event (tensorboard/compat/proto/event.proto).
class EventFile {
 public:
  /// Begins a new file in `folder`.
  /// \param resumed_at  the step from which a training continues. TensorBoard then ignores the
  /// later
  ///                    steps in the other files of the folder.
  /// \throws std::system_error naming the file
  explicit EventFile(const std::filesystem::path& folder,
                     std::optional<std::int64_t> resumed_at = std::nullopt);

  /// Appends; a reader sees it at once.
  /// \throws std::system_error naming the file
  void add(std::int64_t step, const std::vector<Scalar>& scalars);

 private:
  void write_record(const std::string& event) const;

  std::filesystem::path path_;
  FileDescriptor file_;
};

/// CRC-32C (Castagnoli) of `bytes`.
std::uint32_t crc32c(const std::string& bytes);

}  // namespace lorentznet
