#pragma once

#include <H5Cpp.h>

#include <cstdint>
#include <string>
#include <vector>

namespace lorentznet {

constexpr H5Z_filter_t kBloscFilter = 32001;

using Extents = std::vector<hsize_t>;

/// Of each axis; none of a single value.
Extents extents_of(const H5::DataSpace& space);
/// Of the chunks of a data set of `axes` axes that is stored in chunks.
Extents chunk_extents(const H5::DSetCreatPropList& layout, std::size_t axes);
/// The filter at `place`, in the order of writing.
H5Z_filter_t filter_at(const H5::DSetCreatPropList& layout, int place);

/// Why the chunks that hold rows first .. first + count - 1 must not be read; empty if they may be.
///
/// HDF5 (1.10 at least) copies a whole chunk from what the filters gave, however short that is. So
/// the size that blosc's header announces, and whether a chunk went through the filters at all, are
/// compared with the chunk's here. (deflate has a checksum, which finds such damage.)
/// \throws H5::Exception where HDF5 finds damage itself
std::string damaged_chunk(const H5::DataSet& dataset, std::int64_t first, std::int64_t count);

}  // namespace lorentznet
