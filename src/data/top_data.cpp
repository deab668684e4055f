#include "lorentznet/top_data.h"

#include <algorithm>
#include <array>
#include <string>
#include <utility>

#include "data/array_file.h"
#include "data/blocks.h"
#include "data/jet_builder.h"
#include "data/top_layout.h"
#include "lorentznet/own_jets.h"

namespace lorentznet {
namespace {

constexpr std::int64_t rows_in_block = 2048;  // 13 MB of the published files' rows

std::string column_text(std::int64_t column) { return "column " + std::to_string(column); }

/// Adds one jet. p4: [width, 4]; present: [width] or null.
template <typename Number>
void append_jet(JetBuilder& builder, std::int64_t width, const Number* p4,
                const std::int64_t* present, std::int64_t is_signal) {
  for (std::int64_t column = 0; column < width; ++column, p4 += 4) {
    const bool has_energy = p4[0] != 0;
    if (present != nullptr && has_energy != (present[column] != 0)) {
      builder.fail(column_text(column) + " has label " + std::to_string(present[column]) +
                   " but energy " + format_number(p4[0]) + " GeV");
    }
    if (has_energy) {
      const std::array<double, 4> values{p4[0], p4[1], p4[2], p4[3]};
      builder.add_constituent(column, values.data());
    } else if (!(p4[1] == 0 && p4[2] == 0 && p4[3] == 0)) {
      builder.fail(column_text(column) + " has a momentum but energy 0");
    }
  }
  builder.end_jet(static_cast<double>(is_signal));
}

JetSet read_jets(const Hdf5File& file, std::int64_t max_jets, const BadJetRule& rule) {
  const std::unique_ptr<TopLayout> layout = open_top_layout(file);
  if (layout->rows() == 0) throw_file_error(file.name(), "no jets");
  const std::int64_t num_jets = jets_to_read(layout->rows(), max_jets);
  const std::int64_t width = layout->width();

  JetBuilder builder(file.name(), num_jets, rule);
  for_blocks<TopBlock>(
      num_jets, rows_in_block,
      [&](std::int64_t first, std::int64_t count, TopBlock& block) {
        layout->read(first, count, block);
      },
      [&](std::int64_t, std::int64_t count, const TopBlock& block) {
        for (std::int64_t row = 0; row < count; ++row) {
          builder.add_row([&] {
            if (!block.raw.empty()) {
              return append_jet(builder, width, block.floats(row), nullptr, block.is_signal[row]);
            }
            append_jet(builder, width, &block.p4[row * width * 4],
                       block.present.empty() ? nullptr : &block.present[row * width],
                       block.is_signal[row]);
          });
        }
      });
  return std::move(builder).finish();
}

}  // namespace

std::unique_ptr<TopLayout> open_top_layout(const Hdf5File& file) {
  if (file.has("table/table")) return open_raw_top_layout(file);
  for (const char* name : {"Nobj", "Pmu", "label", "is_signal"}) {
    if (file.has(name)) return open_converted_top_layout(file);
  }
  throw_file_error(file.name(),
                   "neither the data sets Nobj, Pmu, label and is_signal, nor X, nor the table "
                   "/table/table; the file holds " +
                       file.contents());
}

JetSet read_top_jets(const std::filesystem::path& path, std::int64_t max_jets,
                     const BadJetRule& rule) {
  if (is_zip_file(path)) return read_own_jets(path, max_jets, rule);
  const Hdf5File file(path);
  return catch_hdf5_errors(file.name(), [&] {
    return file.has("X") ? read_own_jets(path, max_jets, rule) : read_jets(file, max_jets, rule);
  });
}

}  // namespace lorentznet
