#pragma once

#include <cxxopts.hpp>

namespace lorentznet::bench {

/// The flags, their defaults and what --help says of them.
cxxopts::Options describe_flags();

}  // namespace lorentznet::bench
