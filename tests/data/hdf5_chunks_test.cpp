#include "data/hdf5_chunks.h"

#include <catch2/catch.hpp>
#include <string>
#include <vector>

#include "data/test_files.h"

using lorentznet::damaged_chunk;
using lorentznet::kBloscFilter;
using lorentznet::test::TemporaryFolder;

namespace {

constexpr hsize_t kRows = 10, kRowsInChunk = 4, kColumns = 3;
constexpr std::size_t kChunkBytes = kRowsInChunk * kColumns * sizeof(float);

/// A data set of ten rows in chunks of four, whose chunk at row 4 is stored as `bytes`.
H5::DataSet with_chunk(const H5::H5File& file, H5Z_filter_t filter, const std::string& bytes,
                       unsigned skipped_filters) {
  const hsize_t shape[] = {kRows, kColumns}, chunk[] = {kRowsInChunk, kColumns};
  H5::DSetCreatPropList list;
  list.setChunk(2, chunk);
  list.setFilter(filter, H5Z_FLAG_OPTIONAL);
  auto dataset = file.createDataSet("X", H5::PredType::IEEE_F32LE, H5::DataSpace(2, shape), list);
  const hsize_t place[] = {kRowsInChunk, 0};
  REQUIRE(H5Dwrite_chunk(dataset.getId(), H5P_DEFAULT, skipped_filters, place, bytes.size(),
                         bytes.data()) >= 0);
  return dataset;
}

/// A compressed chunk whose blosc header of 16 bytes announces `bytes`.
std::string blosc_chunk(std::size_t bytes) {
  std::string chunk(40, '\0');
  for (int byte = 0; byte < 4; ++byte) chunk[4 + byte] = static_cast<char>(bytes >> (8 * byte));
  return chunk;
}

struct Fault {
  H5Z_filter_t filter;
  std::string bytes;
  unsigned skipped_filters;
  std::string reason;  ///< empty: none
};

}  // namespace

TEST_CASE("chunks that HDF5 would copy beyond their end are found") {
  const std::vector<Fault> faults = {
      {kBloscFilter, blosc_chunk(kChunkBytes), 0, ""},
      {kBloscFilter, blosc_chunk(kChunkBytes - 4), 0,
       "has a compressed chunk of 44 bytes, expected 48"},
      {kBloscFilter, blosc_chunk(70000), 0, "has a compressed chunk of 70000 bytes, expected 48"},
      {kBloscFilter, std::string(kChunkBytes, 'x'), 1, ""},
      {kBloscFilter, std::string(20, 'x'), 1, "has an uncompressed chunk that is too short"},
      {H5Z_FILTER_DEFLATE, std::string(20, 'x'), 1, "has an uncompressed chunk that is too short"},
  };
  for (const auto& fault : faults) {
    const TemporaryFolder folder;
    const H5::H5File file((folder / "chunks.h5").string(), H5F_ACC_TRUNC);
    const auto dataset = with_chunk(file, fault.filter, fault.bytes, fault.skipped_filters);
    file.flush(H5F_SCOPE_LOCAL);
    CHECK(damaged_chunk(dataset, 0, 4).empty());  // the chunk before it
    CHECK(damaged_chunk(dataset, 0, 5) == fault.reason);
    CHECK(damaged_chunk(dataset, 7, 3) == fault.reason);
    CHECK(damaged_chunk(dataset, 8, 2).empty());  // the one after
  }
}

TEST_CASE("a chunk is found after a user block") {
  const TemporaryFolder folder;
  H5::FileCreatPropList list;
  list.setUserblock(512);
  const H5::H5File file((folder / "chunks.h5").string(), H5F_ACC_TRUNC, list);
  const auto dataset = with_chunk(file, kBloscFilter, blosc_chunk(kChunkBytes), 0);
  file.flush(H5F_SCOPE_LOCAL);
  CHECK(damaged_chunk(dataset, 0, kRows).empty());
}
