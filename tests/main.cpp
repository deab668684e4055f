#define CATCH_CONFIG_RUNNER
#include <malloc.h>

#include <algorithm>
#include <catch2/catch.hpp>

#include "support.h"

namespace {

/// Exit status for ctest (SKIP_RETURN_CODE): all test cases were skipped. Catch2 itself exits with
/// the number of failed assertions, which may be this one.
constexpr int kSkipped = 4;

/// Counts the test cases in which skip() was called.
class SkippedCases : public Catch::TestEventListenerBase {
 public:
  using TestEventListenerBase::TestEventListenerBase;

  void testCaseStarting(const Catch::TestCaseInfo&) override {
    before_ = lorentznet::test::skips();
  }
  void testCaseEnded(const Catch::TestCaseStats&) override {
    ++all;
    if (lorentznet::test::skips() != before_) ++skipped;
  }

  static inline int all = 0, skipped = 0;

 private:
  int before_ = 0;
};
CATCH_REGISTER_LISTENER(SkippedCases)

}  // namespace

int main(int argc, char** argv) {
  // Else glibc returns the memory of each tensor to the system, whose pages cost as much time as
  // the tensor's numbers.
  mallopt(M_MMAP_THRESHOLD, 32 << 20);
  mallopt(M_TRIM_THRESHOLD, 1 << 30);
  mallopt(M_TOP_PAD, 64 << 20);
  if (Catch::Session().run(argc, argv) != 0) return 1;
  return SkippedCases::skipped > 0 && SkippedCases::skipped == SkippedCases::all ? kSkipped : 0;
}
