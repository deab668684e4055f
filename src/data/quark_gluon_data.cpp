#include "lorentznet/quark_gluon_data.h"

#include <algorithm>
#include <string>
#include <utility>

#include "data/blocks.h"
#include "data/input_checks.h"
#include "data/jet_builder.h"
#include "data/quark_gluon_jet.h"
#include "io/message.h"
#include "io/npy_reader.h"

namespace lorentznet {
namespace {

constexpr std::int64_t values_in_block = std::int64_t{1} << 19;  // 4 MiB

[[noreturn]] void fail(const NpzReader& file, const std::string& reason) {
  throw_file_error(file.path().string(), reason);
}

void require_array(const NpzReader& file, const std::string& name) {
  if (file.has(name)) return;
  fail(file, "no array '" + name + "'; the file holds " + list_in_quotes(file.names()));
}

NpyRows open_constituents(const NpzReader& file) {
  NpyRows rows = file.rows("X");
  const NpyHeader& header = rows.header();
  const std::vector<std::int64_t>& shape = header.shape;
  if (shape.size() != 3 || shape[1] < 1 || shape[1] > max_columns || shape[2] != 4) {
    fail(file, "array 'X' has shape " + format_shape(shape) + " instead of [jets, particles, 4]");
  }
  if (header.descr.find('f') == std::string::npos) {
    fail(file, "array 'X' does not hold floating-point numbers but " + header.descr);
  }
  return rows;
}

std::vector<double> read_labels(const NpzReader& file, std::int64_t num_jets) {
  const std::vector<std::int64_t> shape = file.header("y").shape;
  if (shape != std::vector<std::int64_t>{num_jets}) {
    fail(file, "array 'y' has shape " + format_shape(shape) + " instead of " +
                   format_shape({num_jets}) + ", the number of jets in 'X'");
  }
  return file.read("y").values;
}

}  // namespace

JetSet read_quark_gluon_jets(const std::filesystem::path& path, std::int64_t max_jets,
                             const BadJetRule& rule) {
  const NpzReader file(path);
  require_array(file, "X");
  require_array(file, "y");
  NpyRows rows = open_constituents(file);
  if (rows.num_rows() == 0) fail(file, "no jets");
  const std::int64_t num_jets = jets_to_read(rows.num_rows(), max_jets);
  const std::vector<double> labels = read_labels(file, rows.num_rows());

  JetBuilder builder(path.string(), num_jets, rule);
  const std::int64_t width = rows.header().shape[1];
  using Block = std::vector<double>;
  for_blocks<Block>(
      num_jets, std::max<std::int64_t>(values_in_block / rows.row_size(), 1),
      [&](std::int64_t, std::int64_t count, Block& block) { rows.read(count, block); },
      [&](std::int64_t first, std::int64_t count, const Block& block) {
        for (std::int64_t row = 0; row < count; ++row) {
          builder.add_row([&] {
            append_quark_gluon_jet(builder, &block[row * rows.row_size()], width,
                                   labels[first + row]);
          });
        }
      });
  return std::move(builder).finish();
}

}  // namespace lorentznet
