#include "data/jet_cache.h"

#include <catch2/catch.hpp>
#include <fstream>
#include <thread>

#include "data/test_files.h"
#include "data/top_writer.h"
#include "io/file.h"
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
    return read_through_cache(
        key,
        [&] {
          ++reads;
          return read_top_split(key.files, key.max_jets);
        },
        /*smallest=*/0);
  }
  JetSet read() { return read(key()); }

  int reads = 0;

 private:
  TemporaryFolder folder_;
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
}

TEST_CASE("two writers at once leave one whole cache") {
  CachedFiles files;
  const JetSet direct = read_top_split(files.key().files);
  std::vector<std::thread> writers;
  // Readers of HDF5 take turns, so each writes what was read before.
  for (int writer = 0; writer < 4; ++writer) {
    writers.emplace_back([&] {
      read_through_cache(
          files.key(), [&] { return direct; }, 0);
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

TEST_CASE("small files are not kept, and another folder can be") {
  CachedFiles files;
  const TemporaryFolder other;
  const CacheKey key = files.key();
  read_through_cache(key, [&] { return read_top_split(key.files); });
  CHECK_FALSE(std::filesystem::exists(cache_file(key)));
  const EnvironmentVariable elsewhere("LORENTZNET_CACHE", other.path().string());
  files.read();
  CHECK(cache_file(key).parent_path() == other.path());
  CHECK(std::filesystem::exists(cache_file(key)));
}

TEST_CASE("a cache that cannot be written is told before anything is read") {
  CachedFiles files;
  const TemporaryFolder other;
  write(other / "file", "");
  const EnvironmentVariable elsewhere("LORENTZNET_CACHE", (other / "file").string());
  CHECK_THROWS_WITH(files.read(),
                    Catch::Contains("cannot be written") && Catch::Contains("--no_cache"));
  CHECK(files.reads == 0);
}
