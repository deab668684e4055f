#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace lorentznet {

/// A file of a published data set, or of a published network.
struct PublishedFile {
  std::string name;    ///< in the folder that the set is downloaded to
  std::string sha256;  ///< 64 hexadecimal digits; empty if the publisher gives none
  std::string url;
  std::uint64_t bytes = 0;  ///< 0: unknown
};

/// The files of a set ("top", "qg-pythia", "qg-herwig-bc", "top-network", ...), in the order of a
/// table with the columns set, file, sha256 (or "-") and url, separated by tabs, under a line with
/// these names; a row may have the file's size in bytes after them.
/// \throws InputError, beginning with `what`, if the table is invalid or does not have the set
std::vector<PublishedFile> published_files(std::string_view table, const std::string& set,
                                           const std::string& what);

/// The same from the project's table (data/published_files.tsv), or from the file that the
/// environment variable LORENTZNET_PUBLISHED_FILES names, for a mirror.
std::vector<PublishedFile> published_files(const std::string& set);

}  // namespace lorentznet
