#include "io/zip.h"

#include <sys/resource.h>

#include <catch2/catch.hpp>

#include "io/file.h"
#include "io/helpers.h"
#include "io/zip_bytes.h"

using namespace lorentznet;
using namespace lorentznet::test;
using Catch::Contains;
using Catch::StartsWith;

namespace {

// The message of reading the entry "entry" of an archive of `entries`.
std::string error_of(const std::vector<ZipBytes>& entries, std::uint64_t max_bytes = 1 << 20) {
  const TemporaryFolder folder;
  const auto path = write_file(folder, "a.zip", archive_bytes(entries));
  return input_error_naming(path, [&] { ZipArchive(path).read("entry", max_bytes); });
}

std::string error_of_file(const std::string& bytes) {
  const TemporaryFolder folder;
  return input_error([path = write_file(folder, "a.zip", bytes)] { ZipArchive archive(path); });
}

long peak_kilobytes() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  return usage.ru_maxrss;
}

}  // namespace

TEST_CASE("entries are listed and read whole") {
  const TemporaryFolder folder;
  const std::string large(300000, 'x');
  const ZipArchive archive(write_file(
      folder, "a.zip", archive_bytes({{"top/b", "contents"}, {"a", large}, {"none", ""}})));
  CHECK(archive.names() == std::vector<std::string>{"top/b", "a", "none"});
  CHECK(archive.read("top/b", 8) == "contents");
  CHECK(archive.read("a", large.size()) == large);
  CHECK(archive.read("none", 0).empty());
  CHECK(archive.announced_size("a") == large.size());
  CHECK(archive.has("a"));
  CHECK_FALSE(archive.has("b"));
}

TEST_CASE("a stream hands out an entry in pieces and keeps the archive open") {
  const TemporaryFolder folder;
  const auto path = write_file(folder, "a.zip", archive_bytes({{"entry", "0123456789"}}));
  const auto stream = ZipArchive(path).stream("entry");
  std::string piece(4, ' ');
  CHECK(stream->announced_size() == 10);
  CHECK(stream->read(piece) == 4);
  CHECK(piece == "0123");
  CHECK(stream->read(piece) == 4);
  CHECK(piece == "4567");
  CHECK(stream->read(piece) == 2);
  CHECK(piece == "8967");
  CHECK(stream->read(piece) == 0);
}

TEST_CASE("deflated entries give what stored ones give") {
  const ZipArchive deflated(numpy_file("deflated.npz"));
  const ZipArchive stored(numpy_file("stored.npz"));
  REQUIRE(deflated.names().size() == 23);
  for (const std::string& name : stored.names()) {
    CHECK(deflated.read(name, 1 << 20) == stored.read(name, 1 << 20));
  }
}

TEST_CASE("what is not a whole zip archive is refused") {
  const std::string whole = archive_bytes({{"entry", "contents"}});
  REQUIRE(error_of_file(whole).empty());
  CHECK_THAT(error_of_file(""), Contains("is empty"));
  CHECK_THAT(error_of_file("\x80\x02}q\x01."), Contains("is not a zip archive"));
  CHECK_THAT(error_of_file(whole.substr(0, whole.size() - 1)), Contains("truncated"));
  for (std::size_t size = 0; size < whole.size(); ++size) {
    CHECK_FALSE(error_of_file(whole.substr(0, size)).empty());
  }
  const TemporaryFolder folder;
  CHECK_THAT(input_error([&] { ZipArchive archive(folder.path()); }), Contains("Is a directory"));
  CHECK_THAT(input_error([&] { ZipArchive archive(folder.path() / "missing"); }),
             Contains("missing: ") && Contains("No such file"));
}

TEST_CASE("a missing entry and one that is there twice are refused") {
  CHECK_THAT(error_of({{"other", "x"}}), Contains("no entry 'entry'"));
  CHECK_THAT(error_of({{"entry", "x"}, {"entry", "y"}}), Contains("twice"));
}

TEST_CASE("an encrypted entry is refused") {
  ZipBytes entry("entry", "contents");
  entry.flags = 1;
  CHECK_THAT(error_of({entry}), Contains("encrypted"));
}

TEST_CASE("damaged contents are found") {
  ZipBytes entry("entry", "contents");
  entry.data[3] ^= 1;
  CHECK_THAT(error_of({entry}), Contains("CRC"));

  entry.data = "no deflate stream at all";
  entry.method = 8;
  CHECK_THAT(error_of({entry}), Contains("damaged after 0 of 8 bytes"));

  entry.method = 77;
  CHECK_THAT(error_of({entry}), Contains("Compression method not supported"));
}

TEST_CASE("the announced size is neither trusted nor exceeded") {
  ZipBytes zeros("entry", deflated_zeros(258 * 1000 + 1));
  zeros.method = 8;
  zeros.crc = crc32(std::string(258 * 1000 + 1, '\0'));
  zeros.size = 258 * 1000 + 1;
  REQUIRE(error_of({zeros}).empty());

  zeros.size = 500;
  CHECK_THAT(error_of({zeros}), Contains("more than the 500 bytes"));
  CHECK_THAT(error_of({zeros}, 499), Contains("announces 500 bytes, expected at most 499"));
  zeros.size = 258 * 1000 + 2;
  CHECK_THAT(error_of({zeros}), Contains("damaged") || Contains("ends after"));
}

TEST_CASE("memory grows with what an entry delivers") {
  ZipBytes entry("entry", "contents");
  entry.size = 1u << 29;
  entry.method = 8;
  entry.data = deflated_zeros(259);
  const long before = peak_kilobytes();
  CHECK_FALSE(error_of({entry}, 1u << 30).empty());
  CHECK(peak_kilobytes() - before < 64 * 1024);
}

TEST_CASE("a flipped byte anywhere never does harm") {
  const TemporaryFolder folder;
  const std::string whole = archive_bytes({{"entry", "contents"}, {"other", "more"}});
  for (std::size_t i = 0; i < whole.size(); ++i) {
    std::string bytes = whole;
    bytes[i] = static_cast<char>(~bytes[i]);
    const auto path = write_file(folder, "a.zip", bytes);
    std::string contents = "contents";
    input_error([&] { contents = ZipArchive(path).read("entry", 1 << 20); });
    CHECK(contents == "contents");
  }
}
