#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "data/hdf5_file.h"

namespace lorentznet {

/// Some consecutive jets of a top-tagging file, padded as in the file to W columns.
struct TopBlock {
  std::vector<double> p4;             ///< [rows, W, 4] (E, px, py, pz) in GeV, zero where empty
  std::vector<std::int64_t> present;  ///< [rows, W] not zero where there is a particle; empty where
                                      ///< the layout has no such array
  std::vector<std::int64_t> is_signal;  ///< [rows]

  /// Instead of `p4`, rows as they are in a file of floats: their momenta [W, 4] begin at `place`
  /// of each `row_bytes`.
  std::vector<std::byte> raw;
  std::size_t row_bytes = 0, place = 0;
  const float* floats(std::int64_t row) const {
    return reinterpret_cast<const float*>(raw.data() + row * row_bytes + place);
  }
};

/// One of the two layouts of top-tagging files.
class TopLayout {
 public:
  virtual ~TopLayout() = default;
  virtual std::int64_t rows() const = 0;   ///< jets in the file
  virtual std::int64_t width() const = 0;  ///< W
  /// Reads jets [first, first + count).
  virtual void read(std::int64_t first, std::int64_t count, TopBlock& block) const = 0;
};

/// Finds out the file's layout and checks the shapes and types of its arrays.
std::unique_ptr<TopLayout> open_top_layout(const Hdf5File& file);

/// Layout of converted files: data sets `Nobj` [N], `Pmu` [N, W, 4], `label` [N, W] and
/// `is_signal` [N].
std::unique_ptr<TopLayout> open_converted_top_layout(const Hdf5File& file);

/// Layout of the files as published: a pandas table with rows `values_block_0` [4 W + 4], the
/// last four the generated top quark's, and `values_block_1` [2] = (published split, is_signal).
std::unique_ptr<TopLayout> open_raw_top_layout(const Hdf5File& file);

}  // namespace lorentznet
