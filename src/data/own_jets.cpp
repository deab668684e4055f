#include <algorithm>
#include <array>
#include <memory>
#include <string>
#include <vector>

#include "data/jet_builder.h"
#include "data/layout.h"
#include "io/message.h"

namespace lorentznet {
namespace {

constexpr int kMaxClasses = 127;

struct OwnBlock {
  std::vector<double> p4;       ///< [rows, M, 4]
  std::vector<double> scalars;  ///< [rows, M, S]
};

/// The arrays of a file, whose shapes match.
class OwnFile {
 public:
  explicit OwnFile(const ArrayFile& file) : file_(file), p4_(particle_rows(file)) {
    check_names();
    if (file.has("scalars")) open_scalars();
    if (file.has("y")) label_ = numbers_of_jets(file, "y", rows());
    if (file.has("weight")) weight_ = numbers_of_jets(file, "weight", rows());
    if (file.has("id")) read_ids();
  }

  std::int64_t rows() const { return p4_->shape()[0]; }
  std::int64_t width() const { return p4_->shape()[1]; }

  void read(std::int64_t count, OwnBlock& block) {
    p4_->read(count, block.p4);
    if (scalars_) scalars_->read(count, block.scalars);
  }

  /// Adds jet `row` of the file, which is jet `place` of the block.
  void add(JetBuilder& builder, const OwnBlock& block, std::int64_t row, std::int64_t place) const {
    const double* p4 = &block.p4[4 * width() * place];
    const double* scalars =
        scalars_ ? block.scalars.data() + width() * num_scalars_ * place : nullptr;
    for (std::int64_t column = 0; column < width(); ++column) {
      add_particle(builder, column, p4 + 4 * column, scalars);
    }
    if (!weight_.empty()) builder.set_weight(weight_[row]);
    if (!id_.empty()) builder.set_id(id_[row]);
    if (label_.empty()) return builder.end_jet_without_label();
    builder.end_jet(label_[row], kMaxClasses);
  }

 private:
  /// An unknown array may be a misspelt one, which would silently be ignored.
  void check_names() const {
    constexpr std::array kKnown{"X", "y", "scalars", "weight", "id"};
    for (const auto& name : file_.names()) {
      if (std::find(kKnown.begin(), kKnown.end(), name) != kKnown.end()) continue;
      throw_file_error(file_.name(),
                       in_quotes(name) + " is not one of X, y, scalars, weight and id");
    }
  }

  void open_scalars() {
    scalars_ = file_.rows("scalars");
    const auto& shape = scalars_->shape();
    if (shape.size() != 3 || shape[0] != rows() || shape[1] != width() || shape[2] < 1) {
      file_.fail("scalars", "has shape " + format_shape(shape) + " instead of [" +
                                std::to_string(rows()) + ", " + std::to_string(width()) +
                                ", scalars]");
    }
    num_scalars_ = shape[2];
  }

  void read_ids() {
    // First, or a damaged file could ask for memory that nobody has.
    const auto shape = file_.describe("id").shape;
    if (shape.size() == 1 && shape[0] != rows()) {
      file_.fail("id", "has " + std::to_string(shape[0]) + " elements, expected " +
                           std::to_string(rows()) + ", the number of jets in 'X'");
    }
    id_ = file_.integers("id");
  }

  void add_particle(JetBuilder& builder, std::int64_t column, const double* p4,
                    const double* scalars) const {
    if (builder.is_empty(column, p4)) return;
    if (scalars == nullptr) return builder.add_constituent(column, p4);
    builder.add_constituent(
        column, p4, {scalars + num_scalars_ * column, static_cast<std::size_t>(num_scalars_)});
  }

  const ArrayFile& file_;
  std::unique_ptr<ArrayRows> p4_, scalars_;
  std::int64_t num_scalars_ = 0;
  std::vector<double> label_, weight_;
  std::vector<std::int64_t> id_;
};

}  // namespace

JetSet read_own_jets(const ArrayFile& arrays, std::int64_t max_jets, const BadJetRule& rule) {
  OwnFile file(arrays);
  return read_in_blocks<OwnBlock>(
      JetBuilder(arrays.name(), jets_to_read(file.rows(), max_jets), rule),
      std::max<std::int64_t>(kValuesInBlock / (4 * file.width()), 1),
      [&](std::int64_t, std::int64_t count, OwnBlock& block) { file.read(count, block); },
      [&](JetBuilder& builder, const OwnBlock& block, std::int64_t row, std::int64_t place) {
        file.add(builder, block, row, place);
      });
}

}  // namespace lorentznet
