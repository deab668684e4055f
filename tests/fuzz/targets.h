#pragma once

#include <array>
#include <string_view>

namespace lorentznet::fuzz {

// What reads bytes that others wrote, one function a format. Each takes the bytes of a file (or the
// words of a command line), uses all that the reader accepts, and returns whether it accepted any
// of it. An InputError of one line that names the file is the reader's right; every other exception
// passes through: it is a finding.

bool npy(std::string_view bytes);         ///< an array's header and data
bool npz(std::string_view bytes);         ///< zip archives of arrays, and the jets in them
bool checkpoint(std::string_view bytes);  ///< .pt: checkpoints and training states, whole files
bool pickle(
    std::string_view bytes);  ///< data.pkl of a checkpoint with storages of 6, 4, 2 and 1 elements
bool json(std::string_view bytes);   ///< JSON files, args.json, descriptions of networks
bool cache(std::string_view bytes);  ///< caches of jets
bool hdf5(std::string_view bytes);   ///< HDF5 files of jets
bool flags(std::string_view bytes);  ///< a command line, one word a line

struct Target {
  std::string_view name;
  bool (*run)(std::string_view bytes);
};
inline constexpr std::array kTargets{
    Target{"npy", npy},       Target{"npz", npz},    Target{"checkpoint", checkpoint},
    Target{"pickle", pickle}, Target{"json", json},  Target{"cache", cache},
    Target{"hdf5", hdf5},     Target{"flags", flags}};

}  // namespace lorentznet::fuzz
