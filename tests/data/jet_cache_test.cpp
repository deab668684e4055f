#include "data/jet_cache.h"

#include <sys/resource.h>
#include <sys/stat.h>

#include <catch2/catch.hpp>
#include <chrono>
#include <csignal>
#include <fstream>
#include <thread>

#include "data/file_checksums.h"
#include "data/test_files.h"
#include "data/top_writer.h"
#include "io/file.h"
#include "io/hash.h"
#include "lorentznet/error.h"
#include "lorentznet/readers.h"

using namespace lorentznet;
using namespace lorentznet::test;

namespace {

/// Two files of top jets, and how often they were read.
class CachedFiles {
 public:
  CachedFiles() {
    write_converted(first(), make_padded_jets(40, 9));
    write_converted(folder_ / "b.h5", make_padded_jets(25, 7));
  }

  std::filesystem::path first() const { return folder_ / "a.h5"; }
  CacheKey key(std::int64_t max_jets = -1) const {
    return {{first(), folder_ / "b.h5"}, max_jets, {}};
  }
  JetSet read(const CacheKey& key) {
    return read_as(key, [&] {
      ++reads;
      return read_top_split(key.files, key.max_jets);
    });
  }
  JetSet read() { return read(key()); }
  JetSet read_as(const CacheKey& key, const std::function<JetSet()>& reader) {
    return read_through_cache(
        key, reader, [&](const std::string& line) { lines.push_back(line); }, /*smallest=*/0);
  }

  int reads = 0;
  std::vector<std::string> lines;  ///< of the log

 private:
  TemporaryFolder folder_;
};

/// While it lives, this process can write no file beyond `bytes`, as on a full disk.
class FileSizeLimit {
 public:
  explicit FileSizeLimit(rlim_t bytes) : handler_(std::signal(SIGXFSZ, SIG_IGN)) {
    getrlimit(RLIMIT_FSIZE, &before_);
    const rlimit limit{bytes, before_.rlim_max};
    setrlimit(RLIMIT_FSIZE, &limit);
  }
  ~FileSizeLimit() {
    setrlimit(RLIMIT_FSIZE, &before_);
    std::signal(SIGXFSZ, handler_);
  }
  FileSizeLimit(const FileSizeLimit&) = delete;
  FileSizeLimit& operator=(const FileSizeLimit&) = delete;

 private:
  void (*handler_)(int);
  rlimit before_{};
};

std::string contents(const std::filesystem::path& file) {
  return lorentznet::read_file(file, std::size_t{1} << 24);
}

void write(const std::filesystem::path& file, const std::string& bytes) {
  std::ofstream(file, std::ios::binary) << bytes;
}

}  // namespace

TEST_CASE("jets come out of the cache as they went in") {
  CachedFiles files;
  const JetSet direct = read_top_split(files.key().files);
  const JetSet first = files.read();
  const JetSet second = files.read();
  CHECK(files.reads == 1);
  for (const JetSet& jets : {first, second}) {
    check_same_jets(jets, direct);
    CHECK(jets.describe(41) == direct.describe(41));
    check_same_jets(jets.slice(30, 20), direct.slice(30, 20));
  }
  // What one does with mapped jets stays one's own.
  JetSet changed = files.read();
  changed.p4.edit()[0] = 1;
  changed.append(changed);
  check_same_jets(files.read(), direct);
  CHECK(files.reads == 1);
}

TEST_CASE("other files, numbers of jets and rules have caches of their own") {
  CachedFiles files;
  files.read();
  CHECK(files.read(files.key(10)).num_jets() == 10);
  CHECK(files.reads == 2);
  auto skipping = files.key();
  skipping.rule.skip = true;
  files.read(skipping);
  CHECK(files.reads == 3);
  CHECK(files.read().num_jets() == 65);
  CHECK(files.reads == 3);
}

TEST_CASE("a changed source is read again, one that was only touched is not") {
  CachedFiles files;
  files.read();
  const auto later = std::filesystem::last_write_time(files.first()) + std::chrono::hours(1);
  std::filesystem::last_write_time(files.first(), later);
  files.read();
  CHECK(files.reads == 1);
  // The same size at another time, and another content.
  std::string bytes = contents(files.first());
  PaddedJets other = make_padded_jets(40, 9);
  write_converted(files.first(), other, H5::PredType::IEEE_F64LE, Compression::kNone);
  CHECK(files.read().num_jets() == 65);
  CHECK(files.reads == 2);
  bytes = contents(files.first());
  bytes.back() = static_cast<char>(bytes.back() + 1);
  write(files.first(), bytes);
  std::filesystem::last_write_time(files.first(), later + std::chrono::hours(1));
  try {
    files.read();  // the reader decides about the damaged file
  } catch (const InputError&) {
  }
  CHECK(files.reads == 3);
}

TEST_CASE("a damaged cache is never used: it is written anew") {
  CachedFiles files;
  const JetSet direct = read_top_split(files.key().files);
  files.read();
  const auto cache = cache_file(files.key());
  const std::string good = contents(cache);
  int reads = files.reads;
  const auto place = GENERATE(0, 9, 20, 40, 60, 97, 100, -1, -2);
  std::string bad = good;
  if (place == -1) {
    bad.resize(good.size() / 2);
  } else if (place == -2) {
    bad.clear();
  } else {
    bad[good.size() * static_cast<std::size_t>(place) / 101] ^= 4;
  }
  write(cache, bad);
  // Padding between columns belongs to nothing: a change there changes nothing.
  check_same_jets(files.read(), direct);
  check_same_jets(files.read(), direct);
  CHECK(files.reads <= reads + 1);
  REQUIRE(files.lines.size() == static_cast<std::size_t>(files.reads - reads));
  for (const auto& line : files.lines) {
    CHECK_THAT(line, Catch::StartsWith(cache.string() + ": the cache is damaged: ") &&
                         Catch::EndsWith("; it is not used, and the files are read again"));
  }
}

TEST_CASE("a cache with right checksums and wrong contents is not used, and a line says why") {
  struct Fault {
    const char* reason;
    void (*spoil)(JetSet&);
  };
  const Fault fault = GENERATE(
      Fault{"offsets do not rise", [](JetSet& jets) { jets.offsets.edit()[1] = 1 << 30; }},
      Fault{"offsets do not rise", [](JetSet& jets) { jets.offsets.edit()[3] = -4; }},
      Fault{"offsets do not rise", [](JetSet& jets) { jets.offsets.edit()[0] = 1; }},
      Fault{"offsets do not rise", [](JetSet& jets) { jets.offsets.edit()[1] = 0; }},
      Fault{"offsets do not rise",
            [](JetSet& jets) { jets.offsets = std::vector<std::int64_t>{}; }},
      Fault{"offsets end beyond", [](JetSet& jets) { jets.offsets.edit()[65] = INT64_MAX; }},
      Fault{"p4 has", [](JetSet& jets) { jets.offsets.edit()[65] += 1; }},
      Fault{"label has 64 elements, expected 65",
            [](JetSet& jets) { jets.label = jets.label.part(0, 64); }},
      Fault{"label has the element -2", [](JetSet& jets) { jets.label.edit()[3] = -2; }},
      Fault{"label has the element 127", [](JetSet& jets) { jets.label.edit()[3] = 127; }},
      Fault{"column has the element -1", [](JetSet& jets) { jets.column.edit()[3] = -1; }},
      Fault{"column has", [](JetSet& jets) { jets.column = std::vector<std::int16_t>{}; }},
      Fault{"weight has 2 elements, expected 65",
            [](JetSet& jets) {
              jets.weight = std::vector<double>{1, 2};
            }},
      Fault{"id has 1 elements", [](JetSet& jets) { jets.id = std::vector<std::int64_t>{1}; }},
      Fault{"scalars are not",
            [](JetSet& jets) {
              jets.scalars = std::vector<double>{1, 2, 3};
            }},
      Fault{"species has the element 8",
            [](JetSet& jets) { jets.species.resize(jets.column.size(), 8); }},
      Fault{"sources do not rise", [](JetSet& jets) { jets.sources[1].first_jet = 65; }},
      Fault{"sources do not rise", [](JetSet& jets) { jets.sources[0].first_jet = 50; }},
      Fault{"sources do not rise", [](JetSet& jets) { jets.sources[1].first_row = -1; }});
  INFO(fault.reason);
  CachedFiles files;
  const JetSet direct = read_top_split(files.key().files);
  files.read_as(files.key(), [&] {
    JetSet jets = direct;
    fault.spoil(jets);
    return jets;
  });
  files.lines.clear();
  check_same_jets(files.read(), direct);
  CHECK(files.reads == 1);
  REQUIRE(files.lines.size() == 1);
  CHECK_THAT(files.lines[0], Catch::Contains(fault.reason));
  check_same_jets(files.read(), direct);  // from the cache that replaced it
  CHECK(files.reads == 1);
  CHECK(files.lines.size() == 1);
}

TEST_CASE("two writers at once leave one whole cache") {
  CachedFiles files;
  const JetSet direct = read_top_split(files.key().files);
  std::vector<std::thread> writers;
  // Readers of HDF5 take turns, so each writes what was read before.
  for (int writer = 0; writer < 4; ++writer) {
    writers.emplace_back([&] {
      read_through_cache(
          files.key(), [&] { return direct; }, [](const std::string&) {}, 0);
    });
  }
  for (auto& writer : writers) writer.join();
  check_same_jets(files.read(), direct);
  CHECK(files.reads == 0);
  int entries = 0;
  for (const auto& entry :
       std::filesystem::directory_iterator(cache_file(files.key()).parent_path())) {
    CHECK(entry.path() == cache_file(files.key()));
    ++entries;
  }
  CHECK(entries == 1);
}

TEST_CASE("the checksums of files come with their jets, from a cache without reading the files") {
  CachedFiles files;
  const auto key = files.key();
  const auto read = [&] {
    ++files.reads;
    return read_top_split(key.files);
  };
  for (const bool use_cache : {false, true, true}) {
    const auto found = read_with_checksums(
        key, read, use_cache, [](const std::string&) {}, 0);
    check_same_jets(found.jets, read_top_split(key.files));
    REQUIRE(found.files.size() == key.files.size());
    for (std::size_t k = 0; k < key.files.size(); ++k) {
      CHECK(found.files[k].file == key.files[k].string());
      CHECK(found.files[k].bytes == std::filesystem::file_size(key.files[k]));
      CHECK(found.files[k].sha256 == sha256_of_file(key.files[k]));
    }
  }
  CHECK(files.reads == 2);
  CHECK(std::filesystem::exists(cache_file(key)));
}

TEST_CASE("a cache names its files as they are named now") {
  CachedFiles files;
  const auto key = files.key();
  const auto before = std::filesystem::current_path();
  std::filesystem::current_path(files.first().parent_path());
  const CacheKey relative{{"a.h5", "b.h5"}, -1, {}};
  const auto read = [&] { return read_top_split(relative.files); };
  const auto ignore = [](const std::string&) {};
  read_with_checksums(relative, read, true, ignore, 0);
  std::filesystem::current_path(before);
  const auto found = read_with_checksums(key, read, true, ignore, 0);
  CHECK(found.files[1].file == key.files[1].string());
  CHECK(found.jets.describe(41) == key.files[1].string() + ": jet 1");
}

TEST_CASE("files that change while they are read have no checksum, and no cache") {
  CachedFiles files;
  const auto key = files.key();
  const bool use_cache = GENERATE(false, true);
  const auto read = [&] {
    auto jets = read_top_split(key.files);
    write(key.files[1], contents(key.files[1]) + "x");
    return jets;
  };
  CHECK_THROWS_WITH(read_with_checksums(
                        key, read, use_cache, [](const std::string&) {}, 0),
                    key.files[1].string() + ": changed while it was read");
  CHECK_FALSE(std::filesystem::exists(cache_file(key)));
}

TEST_CASE("checksums leave out what is no file, and a stop waits for no large one") {
  const TemporaryFolder folder;
  write(folder / "a", "abc");
  const auto fifo = folder / "fifo";
  REQUIRE(mkfifo(fifo.c_str(), 0600) == 0);
  FileChecksums checksums({fifo, folder / "a", folder / "missing", folder.path()});
  const auto found = checksums.finish();
  REQUIRE(found.size() == 1);
  CHECK(found[0].sha256 == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  // A sparse file of a terabyte.
  write(folder / "large", "");
  std::filesystem::resize_file(folder / "large", std::uintmax_t{1} << 40);
  const auto start = std::chrono::steady_clock::now();
  { const FileChecksums unfinished({folder / "large"}); }
  CHECK(std::chrono::steady_clock::now() - start < std::chrono::seconds(60));
}

TEST_CASE("small files are not kept, and another folder can be") {
  CachedFiles files;
  const TemporaryFolder other;
  const CacheKey key = files.key();
  read_through_cache(
      key, [&] { return read_top_split(key.files); }, [](const std::string&) {});
  CHECK_FALSE(std::filesystem::exists(cache_file(key)));
  const EnvironmentVariable elsewhere("LORENTZNET_CACHE", other.path().string());
  files.read();
  CHECK(cache_file(key).parent_path() == other.path());
  CHECK(std::filesystem::exists(cache_file(key)));
}

TEST_CASE("without a folder to write to, jets are read without a cache, and a line says so") {
  CachedFiles files;
  const TemporaryFolder other;
  write(other / "file", "");
  const EnvironmentVariable elsewhere("LORENTZNET_CACHE", (other / "file").string());
  check_same_jets(files.read(), read_top_split(files.key().files));
  CHECK(files.reads == 1);
  REQUIRE(files.lines.size() == 1);
  CHECK_THAT(files.lines[0],
             Catch::StartsWith((other / "file").string() + ": the cache of jets ") &&
                 Catch::Contains("cannot be written (Not a directory)") &&
                 Catch::Contains("--no_cache"));
}

TEST_CASE("a disk that is full when the cache is written costs the cache alone") {
  CachedFiles files;
  const JetSet direct = read_top_split(files.key().files);
  const auto folder = cache_file(files.key()).parent_path();
  {
    const FileSizeLimit limit(5000);  // of 8 kB and more
    check_same_jets(files.read(), direct);
  }
  CHECK(files.reads == 1);
  REQUIRE(files.lines.size() == 1);
  CHECK_THAT(files.lines[0], Catch::StartsWith(folder.string() + ": the cache of jets ") &&
                                 Catch::Contains("cannot be written (File too large)"));
  CHECK(std::filesystem::is_empty(folder));
  files.read();
  files.read();
  CHECK(files.reads == 2);
  CHECK(files.lines.size() == 1);
}
