#pragma once

#include <H5Cpp.h>

#include <cstdint>
#include <string>
#include <vector>

namespace lorentznet {

// How HDF5 stores a data set: in chunks, each of which passed through filters.

constexpr H5Z_filter_t kBloscFilter = 32001;

/// The length of each axis; none for a single value.
using Extents = std::vector<hsize_t>;
/// "[3, 200, 4]"
std::string format_extents(const Extents& extents);
Extents extents_of(const H5::DataSpace& space);
/// Of the chunks of a chunked data set with `axes` axes.
Extents chunk_extents(const H5::DSetCreatPropList& layout, std::size_t axes);
/// The filter at `place`, in the order of writing.
H5Z_filter_t filter_at(const H5::DSetCreatPropList& layout, int place);

/// A chunk cache for one band of chunks (all those that share rows), so that reading by rows
/// unpacks every chunk once. HDF5's own default is 1 MiB; h5py's chunks of a padded jet array are
/// thousands of rows high and a few columns wide.
H5::DSetAccPropList band_cache(const H5::DataSet& dataset);

/// Why the chunks that hold rows first .. first + count - 1 must not be read; empty if they may be.
///
/// HDF5 (1.10 at least) copies a whole chunk from what the filters return, however short that is.
/// So this compares the chunk's size with the size in blosc's header, and with that of a chunk that
/// skipped the filters. (deflate has a checksum, which finds such damage.)
/// \throws H5::Exception where HDF5 finds damage itself
std::string damaged_chunk(const H5::DataSet& dataset, std::int64_t first, std::int64_t count);

}  // namespace lorentznet
