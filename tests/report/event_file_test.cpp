#include "report/event_file.h"

#include <catch2/catch.hpp>
#include <system_error>

using lorentznet::crc32c;
using lorentznet::EventFile;

// tests/python/check_records.py tests that TensorBoard reads the files.

TEST_CASE("CRC-32C has the values of its definition") {
  CHECK(crc32c("") == 0);
  CHECK(crc32c("123456789") == 0xE3069283U);            // the check value of the CRC catalogue
  CHECK(crc32c(std::string(32, '\0')) == 0x8A9136AAU);  // RFC 3720, B.4
  CHECK(crc32c(std::string(32, '\xFF')) == 0x62A8AB43U);
}

TEST_CASE("an event file that cannot be opened names itself") {
  CHECK_THROWS_AS(EventFile("/there/is/no/such/folder"), std::system_error);
}
