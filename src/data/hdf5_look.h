#pragma once

#include <filesystem>

namespace lorentznet {

/// Opens an HDF5 file in a child process first, which walks through what the readers read and then
/// ends: libhdf5 (1.10 at least) crashes on some files with damaged metadata, and so does no more
/// than the child. Rows are read up to 1 MiB; it takes some milliseconds. Where there can be no
/// child, or something else ends it, there is no look.
/// \throws InputError if the child has crashed in HDF5, or did not end
void look_at_hdf5(const std::filesystem::path& path);

}  // namespace lorentznet
