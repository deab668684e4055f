// Reads files of jets for tests/python/check_corruption.py and bench/reading.py.
//
// Argument: the reader, "top" or "qg". Standard input: one file name per line. Output, one line per
// file: "jets COUNT CHECKSUM MEMORY SECONDS", with the peak memory of reading in KB, or "refused
// MEMORY SECONDS MESSAGE" for an InputError, or "failed ..." for any other error.
#include <chrono>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <fstream>
#include <iostream>
#include <span>
#include <string>
#include <vector>

#include "io/hash.h"
#include "lorentznet/error.h"
#include "lorentznet/readers.h"

namespace {

using lorentznet::JetSet;

/// Of all numbers of the jets, in order.
std::uint64_t checksum(const JetSet& jets) {
  std::vector<std::uint64_t> hashes;
  const auto add = [&](const auto& array) {
    hashes.push_back(lorentznet::fast_hash(std::as_bytes(std::span(array.data(), array.size()))));
  };
  add(jets.p4);
  add(jets.offsets);
  add(jets.label);
  add(jets.species);
  add(jets.weight);
  add(jets.id);
  return lorentznet::fast_hash(std::as_bytes(std::span(hashes)));
}

/// Finite four-momenta with E > 0 and, up to rounding, no more momentum than energy.
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
  std::ofstream("/proc/self/clear_refs") << 5;  // resets the peak
  const long before = status_kb("VmRSS");
  const auto start = std::chrono::steady_clock::now();
  const auto cost = [&] {
    const std::chrono::duration<double> time = std::chrono::steady_clock::now() - start;
    return std::to_string(status_kb("VmHWM") - before) + " " + std::to_string(time.count());
  };
  try {
    const JetSet jets =
        reader == "qg" ? lorentznet::read_quark_gluon_jets(file) : lorentznet::read_jets(file);
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
    std::cerr << "reading_tool: expected 'top' or 'qg'\n";
    return 1;
  }
  for (std::string file; std::getline(std::cin, file);) read(argv[1], file);
  return 0;
}
