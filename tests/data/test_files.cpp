#include "data/test_files.h"

#include <zip.h>

#include <catch2/catch.hpp>

#include "io/helpers.h"

namespace lorentznet::test {

void truncate_file(const std::filesystem::path& path) {
  std::filesystem::resize_file(path, std::filesystem::file_size(path) / 2);
}

std::string input_error(const std::filesystem::path& file, const std::function<void()>& action) {
  const std::string message = input_error_naming(file, action);
  if (message.empty()) FAIL_CHECK("no InputError for " << file);
  return message;
}

void check_same_jets(const JetSet& left, const JetSet& right) {
  CHECK(left.num_jets() == right.num_jets());
  CHECK((left.p4 == right.p4));
  CHECK(left.offsets == right.offsets);
  CHECK(left.species == right.species);
  CHECK(left.column == right.column);
  CHECK(left.label == right.label);
  CHECK((left.scalars == right.scalars));
  CHECK((left.weight == right.weight));
  CHECK((left.id == right.id));
}

void write_npz(const std::filesystem::path& path,
               const std::vector<std::pair<std::string, std::string>>& entries) {
  zip_t* archive = zip_open(path.c_str(), ZIP_CREATE | ZIP_TRUNCATE, nullptr);
  REQUIRE(archive != nullptr);
  for (const auto& [name, contents] : entries) {
    zip_source_t* source = zip_source_buffer(archive, contents.data(), contents.size(), 0);
    const auto place = zip_file_add(archive, (name + ".npy").c_str(), source, ZIP_FL_ENC_UTF_8);
    REQUIRE(place >= 0);
  }
  REQUIRE(zip_close(archive) == 0);
}

}  // namespace lorentznet::test
