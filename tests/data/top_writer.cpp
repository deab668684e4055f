#include "data/top_writer.h"

#include <cmath>
#include <cstring>
#include <random>

namespace lorentznet::test {
namespace {

H5::DSetCreatPropList storage(std::vector<hsize_t> chunk, Compression compression) {
  H5::DSetCreatPropList list;
  if (compression == Compression::kNone) return list;
  list.setChunk(static_cast<int>(chunk.size()), chunk.data());
  if (compression == Compression::kGzip) list.setDeflate(1);
  // Optional filters can be written without being there.
  if (compression == Compression::kBlosc) list.setFilter(32001, H5Z_FLAG_OPTIONAL);
  if (compression == Compression::kUnknown) list.setFilter(40001, H5Z_FLAG_OPTIONAL);
  return list;
}

void write(const H5::H5File& file, const char* name, std::vector<hsize_t> shape,
           const H5::DataType& type, const void* values, const H5::DataType& memory_type,
           Compression compression) {
  const H5::DataSpace space(static_cast<int>(shape.size()), shape.data());
  std::vector<hsize_t> chunk = shape;
  for (hsize_t& extent : chunk) extent = std::max<hsize_t>((extent + 2) / 3, 1);
  file.createDataSet(name, type, space, storage(chunk, compression)).write(values, memory_type);
}

}  // namespace

PaddedJets make_padded_jets(std::int64_t rows, std::int64_t width) {
  PaddedJets jets{rows, width, std::vector<double>(rows * width * 4),
                  std::vector<std::int64_t>(rows * width), std::vector<std::int64_t>(rows)};
  std::mt19937 random(7);
  std::uniform_real_distribution<float> momentum(-100, 100);
  for (std::int64_t row = 0; row < rows; ++row) {
    jets.is_signal[row] = row % 2;
    const auto particles = static_cast<std::int64_t>(1 + random() % width);
    for (std::int64_t column = 0; column < particles; ++column) {
      if (column > 0 && random() % 10 == 0) continue;
      double* p4 = jets.particle(row, column);
      double momentum2 = 0;
      for (int axis = 1; axis < 4; ++axis) {
        p4[axis] = momentum(random);
        momentum2 += p4[axis] * p4[axis];
      }
      p4[0] = static_cast<float>(1 + std::sqrt(momentum2));
      jets.present[row * width + column] = 1;
    }
  }
  return jets;
}

void write_converted(const std::filesystem::path& path, const PaddedJets& jets,
                     const H5::DataType& momentum_type, Compression compression) {
  const H5::H5File file(path.string(), H5F_ACC_TRUNC);
  const auto rows = static_cast<hsize_t>(jets.rows);
  const auto width = static_cast<hsize_t>(jets.width);
  std::vector<std::int64_t> counts(jets.rows, 0);
  for (std::size_t place = 0; place < jets.present.size(); ++place) {
    counts[place / width] += jets.present[place] != 0;
  }
  const auto& stored = H5::PredType::STD_I16LE;
  const auto& memory = H5::PredType::NATIVE_INT64;
  write(file, "Nobj", {rows}, stored, counts.data(), memory, compression);
  write(file, "Pmu", {rows, width, 4}, momentum_type, jets.p4.data(), H5::PredType::NATIVE_DOUBLE,
        compression);
  write(file, "label", {rows, width}, stored, jets.present.data(), memory, compression);
  write(file, "is_signal", {rows}, stored, jets.is_signal.data(), memory, compression);
}

void write_raw(const std::filesystem::path& path, const PaddedJets& jets, Compression compression) {
  const hsize_t values = 4 * jets.width + 4;
  const hsize_t flags = 2;
  const std::size_t flags_place = 8 + 4 * values;
  H5::CompType row(flags_place + 16);
  row.insertMember("index", 0, H5::PredType::STD_I64LE);
  row.insertMember("values_block_0", 8, H5::ArrayType(H5::PredType::IEEE_F32LE, 1, &values));
  row.insertMember("values_block_1", flags_place,
                   H5::ArrayType(H5::PredType::STD_I64LE, 1, &flags));
  std::vector<char> bytes(jets.rows * row.getSize());
  for (std::int64_t jet = 0; jet < jets.rows; ++jet) {
    char* to = bytes.data() + jet * row.getSize();
    const auto* p4 = &jets.p4[jet * jets.width * 4];
    std::vector<float> block(p4, p4 + jets.width * 4);
    block.insert(block.end(), {900, 1, 2, 3});  // the generated top quark
    const std::int64_t flag_values[] = {1, jets.is_signal[jet]};
    std::memcpy(to, &jet, sizeof jet);
    std::memcpy(to + 8, block.data(), block.size() * sizeof(float));
    std::memcpy(to + flags_place, flag_values, sizeof flag_values);
  }
  const H5::H5File file(path.string(), H5F_ACC_TRUNC);
  file.createGroup("table");
  write(file, "table/table", {static_cast<hsize_t>(jets.rows)}, row, bytes.data(), row,
        compression);
}

void put_zeros(const std::filesystem::path& path, const char* name, std::vector<hsize_t> shape,
               const H5::DataType& type) {
  const H5::H5File file(path.string(), H5F_ACC_RDWR);
  if (file.nameExists(name)) file.unlink(name);
  file.createDataSet(name, type, H5::DataSpace(static_cast<int>(shape.size()), shape.data()));
}

void remove_dataset(const std::filesystem::path& path, const char* name) {
  H5::H5File(path.string(), H5F_ACC_RDWR).unlink(name);
}

}  // namespace lorentznet::test
