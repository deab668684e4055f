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
  int attempts = 6;                            ///< in a row without a new byte
  std::chrono::milliseconds first_wait{1000};  ///< before the second attempt; later ones double it
  std::chrono::seconds patience{60};           ///< with less than one byte per second
  std::function<void(const std::string& line)> log = [](const std::string&) {};
  /// Called a few times a second with the bytes so far and in all (0: unknown).
  std::function<void(const std::string& file, std::uint64_t done, std::uint64_t total)> progress =
      [](const std::string&, std::uint64_t, std::uint64_t) {};
};

/// Downloads files into `folder`, one after the other, except those that are already there. A file
/// appears under its name complete and with the right checksum, or not at all: its bytes go to
/// "NAME.part", which a later call continues if the server supports that. Proxies are those of the
/// environment (http_proxy, https_proxy, no_proxy).
///
/// Until the last file is complete the folder holds the file "unfinished-download", which also
/// keeps other processes from downloading into it. Checksums of files whose publisher gives none
/// are saved in the folder's SHA256SUMS, and a later download of the same name must match.
/// \throws InputError with the URL and the reason: a server that refuses (404, ...), that sends a
///         web page or a file of another size or checksum, or that fails again and again
void download_all(const std::vector<PublishedFile>& files, const std::filesystem::path& folder,
                  const DownloadOptions& options);

/// Whether a download into `folder` was interrupted.
bool is_unfinished(const std::filesystem::path& folder);

/// Downloads those of `files` that are not in `folder`, as download_all() does, but all of them or
/// none: a failure leaves `folder`, and those above it, as they were. What is there is kept; it
/// must be the published file, lest files of two origins be mixed. \throws InputError also if it is
/// not
void download_together(const std::vector<PublishedFile>& files, const std::filesystem::path& folder,
                       const DownloadOptions& options);

/// What is in `folder` besides hidden files and what downloads leave there, which includes files
/// that SHA256SUMS lists; nothing if it does not exist. \throws InputError if it is not a folder or
/// cannot be listed
std::vector<std::filesystem::path> other_contents(const std::filesystem::path& folder);

/// Bytes of the files that are not in `folder` yet, as the table or their servers say; 0 if neither
/// does for one of these.
std::uint64_t bytes_to_download(const std::vector<PublishedFile>& files,
                                const std::filesystem::path& folder);

}  // namespace lorentznet
