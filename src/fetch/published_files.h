#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace lorentznet {

/// A file of a published data set.
struct PublishedFile {
  std::string name;    ///< in the data folder
  std::string sha256;  ///< 64 hexadecimal digits; empty if the publisher gives none
  std::string url;
};

/// The files of a set ("top", "qg-pythia", "qg-herwig-bc", ...), in the order of a table with the
/// columns set, file, sha256 (or "-") and url, separated by tabs, under a line with these names.
/// \throws InputError, beginning with `what`, if the table is invalid or does not have the set
std::vector<PublishedFile> published_files(std::string_view table, const std::string& set,
                                           const std::string& what);

/// The same from the project's table (data/published_files.tsv), or from the file that the
/// environment variable LORENTZNET_PUBLISHED_FILES names, for a mirror.
std::vector<PublishedFile> published_files(const std::string& set);

}  // namespace lorentznet
