#pragma once

namespace lorentznet::test {

/// How often this program has called operator new.
long allocations();

}  // namespace lorentznet::test
