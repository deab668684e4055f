#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "fetch/published_files.h"

namespace lorentznet {

struct DownloadOptions {
  int attempts = 6;  ///< in a row without a byte more
  std::chrono::milliseconds first_wait{
      1000};                          ///< before a second attempt; doubled for each further
  std::chrono::seconds patience{60};  ///< with less than a byte a second
  std::function<void(const std::string&)> log = [](const std::string&) {};  ///< a line at a time
  /// Called some times a second with the bytes so far and those in all, 0 where these aren't known.
  std::function<void(const std::string& file, std::uint64_t done, std::uint64_t total)> progress =
      [](const std::string&, std::uint64_t, std::uint64_t) {};
};

/// Downloads a file to `target`, which is there whole, with the right checksum, or not at all.
/// Bytes go to "TARGET.part", and what an interrupted download left there goes on where it stopped,
/// if the server can do that. Proxies are those of the environment (http_proxy, https_proxy,
/// no_proxy). \return its SHA-256 \throws InputError that names URL and reason: a server that
/// refuses (404, ...), that sends a web
///         page or a file of another checksum, or that fails again and again
std::string download(const PublishedFile& file, const std::filesystem::path& target,
                     const DownloadOptions& options);

/// Downloads files into `folder`, one after the other, unless all are there. Until the last one is
/// whole the folder holds the file "unfinished-download", which also keeps other processes away.
/// Checksums of files whose publisher gives none are put into the folder's SHA256SUMS, and a later
/// download of the same name must have the same. \throws as download()
void download_all(const std::vector<PublishedFile>& files, const std::filesystem::path& folder,
                  const DownloadOptions& options);

/// Whether a download into `folder` began and did not end.
bool is_unfinished(const std::filesystem::path& folder);

}  // namespace lorentznet
