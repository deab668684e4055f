#include <algorithm>
#include <array>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "data/array_file.h"
#include "data/jet_builder.h"
#include "io/message.h"
#include "lorentznet/readers.h"

namespace lorentznet {
namespace {

constexpr int max_classes = 127;

struct OwnBlock {
  std::vector<double> p4;       ///< [rows, M, 4]
  std::vector<double> scalars;  ///< [rows, M, S]
};

/// The arrays of a file, their shapes compared.
class OwnFile {
 public:
  explicit OwnFile(const ArrayFile& file) : file_(file) {
    if (!file.has("X")) {
      throw_file_error(file.name(), "no array 'X'; the file holds " + list_in_quotes(file.names()));
    }
    check_names();
    p4_ = file.rows("X");
    const auto& shape = p4_->shape();
    if (shape.size() != 3 || shape[1] < 1 || shape[1] > max_columns || shape[2] != 4) {
      file.fail("X", "has shape " + format_shape(shape) + " instead of [jets, particles, 4]");
    }
    if (!p4_->is_floating_point()) file.fail("X", "does not hold floating-point numbers");
    if (rows() == 0) throw_file_error(file.name(), "no jets");
    if (file.has("scalars")) open_scalars();
    label_ = list("y");
    weight_ = list("weight");
    if (file.has("id")) id_ = file.integers("id");
    require_rows("id", static_cast<std::int64_t>(id_.size()));
  }

  std::int64_t rows() const { return p4_->shape()[0]; }
  std::int64_t width() const { return p4_->shape()[1]; }

  void read(std::int64_t count, OwnBlock& block) {
    p4_->read(count, block.p4);
    if (scalars_) scalars_->read(count, block.scalars);
  }

  /// Adds jet `row` of the file, `place` of the block.
  void append(JetBuilder& builder, const OwnBlock& block, std::int64_t row,
              std::int64_t place) const {
    const double* p4 = &block.p4[4 * width() * place];
    const double* scalars =
        scalars_ ? block.scalars.data() + width() * num_scalars_ * place : nullptr;
    for (std::int64_t column = 0; column < width(); ++column) {
      append_particle(builder, column, p4 + 4 * column, scalars);
    }
    if (!weight_.empty()) builder.set_weight(weight_[row]);
    if (!id_.empty()) builder.set_id(id_[row]);
    if (label_.empty()) return builder.end_jet_without_label();
    builder.end_jet(label_[row], max_classes);
  }

 private:
  /// An array that is left unread may be one whose name has a mistake.
  void check_names() const {
    constexpr std::array known{"X", "y", "scalars", "weight", "id"};
    for (const auto& name : file_.names()) {
      if (std::find(known.begin(), known.end(), name) != known.end()) continue;
      throw_file_error(file_.name(), in_quotes(name) + " is none of X, y, scalars, weight and id");
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

  /// An array with a number for each jet, empty where there is none.
  std::vector<double> list(const std::string& name) const {
    std::vector<double> values;
    if (!file_.has(name)) return values;
    const auto array = file_.rows(name);
    if (array->shape() != std::vector<std::int64_t>{rows()}) {
      file_.fail(name, "has shape " + format_shape(array->shape()) + " instead of " +
                           format_shape({rows()}) + ", the number of jets in 'X'");
    }
    array->read(rows(), values);
    return values;
  }

  void require_rows(const std::string& name, std::int64_t found) const {
    if (found == rows() || !file_.has(name)) return;
    file_.fail(name, "has " + std::to_string(found) + " elements, expected " +
                         std::to_string(rows()) + ", the number of jets in 'X'");
  }

  void append_particle(JetBuilder& builder, std::int64_t column, const double* p4,
                       const double* scalars) const {
    if (p4[0] == 0) {
      if (p4[1] == 0 && p4[2] == 0 && p4[3] == 0) return;
      builder.fail("column " + std::to_string(column) + " has a momentum but energy 0");
    }
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

JetSet read_own_jets(const std::filesystem::path& path, std::int64_t max_jets,
                     const BadJetRule& rule) {
  const auto arrays = open_array_file(path);
  OwnFile file(*arrays);
  const std::int64_t rows = jets_to_read(file.rows(), max_jets);
  JetBuilder builder(path.string(), rows, rule);
  for_blocks<OwnBlock>(
      rows, std::max<std::int64_t>(kValuesInBlock / (4 * file.width()), 1),
      [&](std::int64_t, std::int64_t count, OwnBlock& block) { file.read(count, block); },
      [&](std::int64_t first, std::int64_t count, const OwnBlock& block) {
        for (std::int64_t place = 0; place < count; ++place) {
          builder.add_row([&] { file.append(builder, block, first + place, place); });
        }
      });
  return std::move(builder).finish();
}

}  // namespace lorentznet
