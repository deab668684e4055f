#pragma once

#include <H5Cpp.h>

#include <cstdint>
#include <filesystem>
#include <vector>

namespace lorentznet::test {

/// Padded top-tagging jets: what goes into a file of either layout.
struct PaddedJets {
  std::int64_t rows = 0;
  std::int64_t width = 0;
  std::vector<double> p4;               ///< [rows, width, 4], each value also a float
  std::vector<std::int64_t> present;    ///< [rows, width]
  std::vector<std::int64_t> is_signal;  ///< [rows]

  double* particle(std::int64_t row, std::int64_t column) {
    return &p4[4 * (row * width + column)];
  }
};

/// Jets of 1 to `width` particles with a hole here and there, alternately signal and background.
PaddedJets make_padded_jets(std::int64_t rows, std::int64_t width = 200);

enum class Compression { kNone, kGzip, kBlosc, kUnknown };

/// Writes the converted layout. `momentum_type` is that of Pmu in the file.
void write_converted(const std::filesystem::path& path, const PaddedJets& jets,
                     const H5::DataType& momentum_type = H5::PredType::IEEE_F64LE,
                     Compression compression = Compression::kGzip);

/// Writes the published layout, a pandas table.
void write_raw(const std::filesystem::path& path, const PaddedJets& jets,
               Compression compression = Compression::kNone);

/// Adds or replaces an integer data set of zeros with the given shape.
void put_zeros(const std::filesystem::path& path, const char* name, std::vector<hsize_t> shape,
               const H5::DataType& type = H5::PredType::STD_I16LE);

/// Removes a data set.
void remove_dataset(const std::filesystem::path& path, const char* name);

}  // namespace lorentznet::test
