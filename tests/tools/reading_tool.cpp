// Reads files of jets for tests/python/check_corruption.py and scripts that measure.
//
// Arguments: "top" or "qg", the reader. Standard input holds a file's name a line. For each, one
// line: "jets COUNT CHECKSUM MEMORY SECONDS", with the memory in KB that reading took at its peak,
// or "refused MEMORY SECONDS MESSAGE", or "failed ..." for what is no InputError.
#include <bit>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <fstream>
#include <iostream>
#include <string>

#include "lorentznet/error.h"
#include "lorentznet/readers.h"

namespace {

using lorentznet::JetSet;

/// FNV-1a on words: all numbers of the jets, in order.
std::uint64_t checksum(const JetSet& jets) {
  std::uint64_t hash = 14695981039346656037U;
  const auto add = [&](std::uint64_t word) { hash = (hash ^ word) * 1099511628211U; };
  for (const double value : jets.p4) add(std::bit_cast<std::uint64_t>(value));
  for (const auto value : jets.offsets) add(static_cast<std::uint64_t>(value));
  for (const auto value : jets.label) add(static_cast<std::uint64_t>(value));
  for (const auto value : jets.species) add(static_cast<std::uint64_t>(value));
  for (const double value : jets.weight) add(std::bit_cast<std::uint64_t>(value));
  for (const auto value : jets.id) add(static_cast<std::uint64_t>(value));
  return hash;
}

/// Finite four-momenta with E > 0, and not more momentum than energy beyond rounding.
bool are_physical(const JetSet& jets) {
  for (std::size_t place = 0; place < jets.p4.size(); place += 4) {
    const double* p = &jets.p4[place];
    const double momentum = std::hypot(p[1], p[2], p[3]);
    if (!(p[0] > 0 && p[0] < 1e13 && momentum <= 1.02 * p[0])) return false;
  }
  return true;
}

/// A line of /proc/self/status, in KB.
long status_kb(const std::string& name) {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with(name)) return std::stol(line.substr(name.size() + 1));
  }
  return 0;
}

void read(const std::string& reader, const std::string& file) {
  std::ofstream("/proc/self/clear_refs") << 5;  // the peak begins anew
  const long before = status_kb("VmRSS");
  const auto start = std::chrono::steady_clock::now();
  const auto cost = [&] {
    const std::chrono::duration<double> time = std::chrono::steady_clock::now() - start;
    return std::to_string(status_kb("VmHWM") - before) + " " + std::to_string(time.count());
  };
  try {
    const JetSet jets =
        reader == "qg" ? lorentznet::read_quark_gluon_jets(file) : lorentznet::read_top_jets(file);
    const std::string spent = cost();
    std::cout << (are_physical(jets) ? "jets " : "failed unphysical ") << jets.num_jets() << ' '
              << checksum(jets) << ' ' << spent << std::endl;
  } catch (const lorentznet::InputError& error) {
    std::cout << "refused " << cost() << ' ' << error.what() << std::endl;
  } catch (const std::exception& error) {
    std::cout << "failed " << error.what() << std::endl;
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::cerr << "reading_tool: 'top' or 'qg' is expected\n";
    return 1;
  }
  for (std::string file; std::getline(std::cin, file);) read(argv[1], file);
  return 0;
}
