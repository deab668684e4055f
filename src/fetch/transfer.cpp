#include "fetch/transfer.h"

#include <curl/curl.h>
#include <fcntl.h>

#include <array>
#include <cerrno>
#include <exception>
#include <memory>
#include <stdexcept>
#include <system_error>

#include "io/file.h"

namespace lorentznet {
namespace {

struct CurlCloser {
  void operator()(CURL* curl) const { curl_easy_cleanup(curl); }
};

/// The data of libcurl's callbacks. No exception may pass through libcurl, so `error` keeps it.
struct Attempt {
  std::filesystem::path part;
  FileDescriptor file;
  std::uint64_t before = 0;
  std::function<void(std::uint64_t, std::uint64_t)> progress;
  std::exception_ptr error;
};

long status_of(CURL* curl) {
  long status = 0;
  curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
  return status;
}

std::size_t write_bytes(char* bytes, std::size_t size, std::size_t count, void* data) {
  auto& attempt = *static_cast<Attempt*>(data);
  try {
    attempt.file.write_all({bytes, size * count}, attempt.part);
    return size * count;
  } catch (...) {
    attempt.error = std::current_exception();
    return 0;
  }
}

int show_progress(void* data, curl_off_t total, curl_off_t done, curl_off_t, curl_off_t) {
  auto& attempt = *static_cast<Attempt*>(data);
  const auto all = total > 0 ? attempt.before + static_cast<std::uint64_t>(total) : 0;
  attempt.progress(attempt.before + static_cast<std::uint64_t>(done), all);
  return 0;
}

void open_part(Attempt& attempt) {
  attempt.file = open_file(attempt.part, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC);
  if (!attempt.file.is_open()) {
    throw std::system_error(errno, std::generic_category(),
                            attempt.part.string() + ": cannot be written");
  }
  attempt.before = std::filesystem::file_size(attempt.part);
}

/// A handle that can be used. \throws std::runtime_error
std::unique_ptr<CURL, CurlCloser> open_curl() {
  static const CURLcode ready = curl_global_init(CURL_GLOBAL_DEFAULT);
  std::unique_ptr<CURL, CurlCloser> curl(ready == CURLE_OK ? curl_easy_init() : nullptr);
  if (!curl) throw std::runtime_error("libcurl cannot be used");
  return curl;
}

/// Options of every request.
void set_address(CURL* curl, const std::string& url) {
  curl_easy_setopt(curl, CURLOPT_URL, url.c_str());
  curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(curl, CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 1L);
  curl_easy_setopt(curl, CURLOPT_MAXREDIRS, 10L);
  curl_easy_setopt(curl, CURLOPT_FAILONERROR, 1L);
  curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(curl, CURLOPT_USERAGENT, "lorentznet");
}

void set_options(CURL* curl, const std::string& url, std::chrono::seconds patience,
                 Attempt& attempt, char* reason) {
  set_address(curl, url);
  curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, static_cast<long>(patience.count()));
  curl_easy_setopt(curl, CURLOPT_LOW_SPEED_LIMIT, 1L);
  curl_easy_setopt(curl, CURLOPT_LOW_SPEED_TIME, static_cast<long>(patience.count()));
  curl_easy_setopt(curl, CURLOPT_RESUME_FROM_LARGE, static_cast<curl_off_t>(attempt.before));
  curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, write_bytes);
  curl_easy_setopt(curl, CURLOPT_WRITEDATA, &attempt);
  curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
  curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, show_progress);
  curl_easy_setopt(curl, CURLOPT_XFERINFODATA, &attempt);
  curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, reason);
}

bool may_succeed_later(CURLcode code, long status) {
  if (code == CURLE_HTTP_RETURNED_ERROR) return status >= 500 || status == 408 || status == 429;
  return code != CURLE_URL_MALFORMAT && code != CURLE_UNSUPPORTED_PROTOCOL &&
         code != CURLE_PEER_FAILED_VERIFICATION && code != CURLE_TOO_MANY_REDIRECTS;
}

}  // namespace

Transfer transfer(const std::string& url, const std::filesystem::path& part,
                  std::chrono::seconds patience,
                  const std::function<void(std::uint64_t, std::uint64_t)>& progress) {
  const auto curl = open_curl();
  Attempt attempt;
  attempt.part = part;
  attempt.progress = progress;
  open_part(attempt);
  std::array<char, CURL_ERROR_SIZE> reason{};
  set_options(curl.get(), url, patience, attempt, reason.data());
  const CURLcode code = curl_easy_perform(curl.get());
  if (attempt.error) std::rethrow_exception(attempt.error);
  const long status = status_of(curl.get());
  if (code == CURLE_OK) return {};
  // 416: the part is at least as long as the file.
  if (code == CURLE_HTTP_RETURNED_ERROR && status == 416 && attempt.before > 0) return {};
  const std::string text = reason[0] != '\0' ? reason.data() : curl_easy_strerror(code);
  if (code == CURLE_RANGE_ERROR || code == CURLE_BAD_DOWNLOAD_RESUME) {
    return {Transfer::End::kCannotContinue, text};
  }
  return {may_succeed_later(code, status) ? Transfer::End::kBroken : Transfer::End::kRefused, text};
}

std::uint64_t announced_size(const std::string& url) {
  constexpr long kSeconds = 10;
  const auto curl = open_curl();
  set_address(curl.get(), url);
  curl_easy_setopt(curl.get(), CURLOPT_NOBODY, 1L);
  curl_easy_setopt(curl.get(), CURLOPT_TIMEOUT, kSeconds);
  if (curl_easy_perform(curl.get()) != CURLE_OK) return 0;
  curl_off_t bytes = 0;
  curl_easy_getinfo(curl.get(), CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &bytes);
  return bytes > 0 ? static_cast<std::uint64_t>(bytes) : 0;
}

}  // namespace lorentznet
