#include <catch2/catch.hpp>
#include <cmath>
#include <limits>
#include <numeric>

#include "cuda_primitives.h"
#include "device_array.h"
#include "device_orders.h"

// The primitives against what PTX's manual says of them, on the emulator and, if there is one, a
// GPU.

namespace lorentznet::cuda {
namespace {

/// One mma a block: each lane's pairs of A and B, its four numbers of C and D.
template <class Format, int K, bool From>
struct OneMma {
  static constexpr int kA = K / 4, kB = K / 8;  ///< pairs a lane
  struct Params {
    const typename Format::Pair *a, *b;
    const float* c;
    float* d;
  };
  static constexpr int kThreads = 32, kMinBlocks = 1;

  static __device__ void run(const Params& p) {
    using Pair = typename Format::Pair;
    const int at = 32 * blockIdx.x + threadIdx.x;
    const Pair *a = p.a + kA * at, *b = p.b + kB * at;
    float c[4], d[4];
    for (int r = 0; r < 4; ++r) c[r] = d[r] = p.c[4 * at + r];
    if constexpr (K == 16) {
      const Pair rows[4] = {a[0], a[1], a[2], a[3]};
      if constexpr (From) {
        Format::mma16_from(d, rows, b[0], b[1], c);
      } else {
        Format::mma16(d, rows, b[0], b[1]);
      }
    } else if constexpr (From) {
      Format::mma8_from(d, a[0], a[1], b[0], c);
    } else {
      Format::mma8(d, a[0], a[1], b[0]);
    }
    for (int r = 0; r < 4; ++r) p.d[4 * at + r] = d[r];
  }
};

struct Element {
  int row, column;
};

// PTX ISA 9.0, 9.7.14.5.7 and 9.7.14.5.8, "Matrix Fragments for mma.m16n8k8" and "... m16n8k16",
// for .f16 and .bf16: groupID = %laneid >> 2, threadID_in_group = %laneid % 4, and

/// "row = groupID for ai where 0 <= i < 2 || 4 <= i < 6, groupID + 8 otherwise;
///  col = (threadID_in_group * 2) + (i & 0x1) for ai where i < 4, and + 8 where i >= 4".
/// (m16n8k8 has a0 to a3, by the same rule.)
Element of_a(int lane, int i) {
  const int group = lane >> 2, in_group = lane % 4;
  const bool upper = (0 <= i && i < 2) || (4 <= i && i < 6);
  return {upper ? group : group + 8, in_group * 2 + (i & 1) + (i < 4 ? 0 : 8)};
}

/// "row = (threadID_in_group * 2) + (i & 0x1) for bi where i < 2, and + 8 where i >= 2;
///  col = groupID".
Element of_b(int lane, int i) { return {lane % 4 * 2 + (i & 1) + (i < 2 ? 0 : 8), lane >> 2}; }

/// "row = groupID for ci where i < 2, groupID + 8 for ci where i >= 2;
///  col = (threadID_in_group * 2) + (i & 0x1)".
Element of_c(int lane, int i) { return {(lane >> 2) + (i < 2 ? 0 : 8), lane % 4 * 2 + (i & 1)}; }

/// A has a number of its own in each element; B is 1 in element (k, column) of block
/// 8 k + column, so D is column k of A there. All numbers are exact in every format.
template <class Format, int K, bool From>
void check_fragments() {
  using Kernel = OneMma<Format, K, From>;
  using Pair = typename Format::Pair;
  const auto number = [](Element e) { return static_cast<float>(1 + e.row * K + e.column % K); };
  const auto start = [](Element e) { return static_cast<float>(300 + 8 * e.row + e.column); };
  const int blocks = 8 * K;
  std::vector<Pair> a, b;
  std::vector<float> c;
  for (int block = 0; block < blocks; ++block) {
    const auto one = [&](Element e) {
      return e.row == block / 8 && e.column == block % 8 ? 1.0f : 0.0f;
    };
    for (int lane = 0; lane < 32; ++lane) {
      // "the lower index in the lower bits" of a register
      for (int r = 0; r < Kernel::kA; ++r) {
        a.push_back(Format::pack(number(of_a(lane, 2 * r)), number(of_a(lane, 2 * r + 1))));
      }
      for (int r = 0; r < Kernel::kB; ++r) {
        b.push_back(Format::pack(one(of_b(lane, 2 * r)), one(of_b(lane, 2 * r + 1))));
      }
      for (int i = 0; i < 4; ++i) c.push_back(start(of_c(lane, i)));
    }
  }
  const DeviceArray<Pair> on_a(a), on_b(b);
  const DeviceArray<float> on_c(c);
  DeviceArray<float> d(c.size());
  prim::launch<Kernel>({}, blocks, 0, {on_a.get(), on_b.get(), on_c.get(), d.get()});
  const std::vector<float> got = d.download();
  int wrong = 0;
  for (int block = 0; block < blocks; ++block) {
    for (int lane = 0; lane < 32; ++lane) {
      for (int i = 0; i < 4; ++i) {
        const Element e = of_c(lane, i);
        const float want = start(e) + (e.column == block % 8 ? number({e.row, block / 8}) : 0.0f);
        if (got[4 * (32 * block + lane) + i] != want) ++wrong;
      }
    }
  }
  REQUIRE(wrong == 0);
}

template <class Format>
void check_all_fragments() {
  check_fragments<Format, 8, false>();
  check_fragments<Format, 8, true>();
  check_fragments<Format, 16, false>();
  check_fragments<Format, 16, true>();
}

/// What each lane gets by each way to exchange numbers.
struct Exchange {
  struct Params {
    float* by_index;
    double* by_mask;
    std::uint32_t* transposed;
    std::uint32_t* pair;
  };
  static constexpr int kThreads = 64, kMinBlocks = 1;

  static __device__ void run(const Params& p) {
    const int self = threadIdx.x, lane = self % 32;
    p.by_index[self] = __shfl_sync(0xffffffffu, 100.0f + self, (3 * lane + 5) % 32);
    p.by_mask[self] = __shfl_xor_sync(0xffffffffu, 100.0 + self, 20);
    __syncwarp();
    const std::uint32_t mine = prim::F16::pack(2.0f * lane, 2.0f * lane + 1);
    p.transposed[self] = prim::transpose8<prim::F16>(mine);
    p.pair[self] = prim::F16x3::from_lane({mine, mine + 1}, 31 - lane).rest;
  }
};

/// Functions of one number.
template <class Format>
struct Functions {
  static constexpr int kResults = 8;
  struct Params {
    const float* x;
    float* y;
  };
  static constexpr int kThreads = 32, kMinBlocks = 1;

  static __device__ void run(const Params& p) {
    const float x = p.x[threadIdx.x];
    float* y = p.y + kResults * threadIdx.x;
    y[0] = prim::relu(x);
    y[1] = Format::low(Format::pack(x, 0.0f));
    y[2] = Format::high(Format::pack(0.0f, x));
    y[3] = Format::low(Format::pack_relu(x, 0.0f));
    y[4] = Format::high(Format::pack_relu(0.0f, x));
    y[5] = Format::low(Format::split(x)) + Format::high(Format::split(x));
    y[6] = prim::with_sign_of(2.0f, x);
    y[7] = static_cast<float>(prim::abs_double(x));
  }
};

template <class Format>
std::vector<float> functions_of(std::vector<float> x) {
  x.resize(32);
  const DeviceArray<float> on_x(x);
  DeviceArray<float> y(32 * Functions<Format>::kResults);
  prim::launch<Functions<Format>>({}, 1, 0, {on_x.get(), y.get()});
  return y.download();
}

/// Also whether the host packs as the device does.
template <class Format>
void check_rounding(const std::vector<float>& x, const std::vector<float>& want) {
  const std::vector<float> y = functions_of<Format>(x);
  for (std::size_t k = 0; k < x.size(); ++k) {
    INFO(x[k]);
    const float* got = &y[Functions<Format>::kResults * k];
    REQUIRE(got[0] == std::max(x[k], 0.0f));
    REQUIRE(got[1] == want[k]);
    REQUIRE(got[2] == want[k]);
    REQUIRE(got[3] == std::max(want[k], 0.0f));
    REQUIRE(got[4] == std::max(want[k], 0.0f));
    REQUIRE(got[6] == std::copysign(2.0f, x[k]));
    REQUIRE(got[7] == std::abs(x[k]));
    REQUIRE(Format::low(Format::pack(x[k], 0.0f)) == want[k]);
    REQUIRE(Format::high(Format::pack(0.0f, x[k])) == want[k]);
  }
}

/// Products whose A is of the format Single, beside those of the same A as pairs.
template <class Format>
struct SingleProducts {
  struct Params {
    const float* b;     ///< [32, 4]
    float* indicators;  ///< [32, 2] of each lane's two bits
    float *d, *want;    ///< [32, 8] of mma16, then mma8
  };
  static constexpr int kThreads = 32, kMinBlocks = 1;

  static __device__ void run(const Params& p) {
    using Single = typename Format::Single;
    const unsigned lane = threadIdx.x;
    const float* const b = p.b + 4 * lane;
    const auto one = Single::indicator(lane);  // of which only two bits count
    p.indicators[2 * lane] = Single::low(one);
    p.indicators[2 * lane + 1] = Single::high(one);
    const unsigned bits[4] = {lane & 3, lane / 4 & 3, lane / 3 & 3, lane / 5 & 3};
    typename Single::Pair a[4];
    typename Format::Pair pairs[4];
    for (int r = 0; r < 4; ++r) {
      a[r] = Single::indicator(bits[r]);
      pairs[r] = Format::pack((bits[r] & 1) != 0 ? 1.0f : 0.0f, (bits[r] & 2) != 0 ? 1.0f : 0.0f);
    }
    const auto b0 = Format::pack(b[0], b[1]), b1 = Format::pack(b[2], b[3]);
    float d16[4] = {}, d8[4] = {}, want16[4] = {}, want8[4] = {};
    Format::mma16_single(d16, a, b0, b1);
    Format::mma8_single(d8, a[0], a[1], b0);
    Format::mma16(want16, pairs, b0, b1);
    Format::mma8(want8, pairs[0], pairs[1], b0);
    for (int r = 0; r < 4; ++r) {
      p.d[8 * lane + r] = d16[r];
      p.d[8 * lane + 4 + r] = d8[r];
      p.want[8 * lane + r] = want16[r];
      p.want[8 * lane + 4 + r] = want8[r];
    }
  }
};

template <class Format>
void check_single_products() {
  std::vector<float> b;
  for (int k = 0; k < 128; ++k) b.push_back(1.2345678f * static_cast<float>(k) - 60);
  const DeviceArray<float> on_b(b);
  DeviceArray<float> indicators(64), d(256), want(256);
  prim::launch<SingleProducts<Format>>({}, 1, 0,
                                       {on_b.get(), indicators.get(), d.get(), want.get()});
  const auto bits = indicators.download();
  for (std::size_t lane = 0; lane < 32; ++lane) {
    REQUIRE(bits[2 * lane] == (lane & 1 ? 1.0f : 0.0f));
    REQUIRE(bits[2 * lane + 1] == (lane & 2 ? 1.0f : 0.0f));
  }
  REQUIRE(d.download() == want.download());
}

template <class Format>
void check_nan() {
  const std::vector<float> y = functions_of<Format>({std::numeric_limits<float>::quiet_NaN()});
  for (int k = 0; k <= 5; ++k) REQUIRE(std::isnan(y[k]));
  REQUIRE(std::isnan(Format::low(Format::pack(NAN, 0.0f))));
}

}  // namespace

TEST_CASE("mma's fragments are PTX's, element by element") {
  in_all_orders([](const std::string& order) {
    INFO(order);
    check_all_fragments<prim::F16>();
  });
  check_all_fragments<prim::Bf16>();
  check_all_fragments<prim::F16x3>();
  check_all_fragments<prim::Bf16x3>();
  with_exact([]<class Format>() { check_all_fragments<Format>(); });
}

TEST_CASE("lanes exchange numbers") {
  in_all_orders([](const std::string& order) {
    INFO(order);
    DeviceArray<float> by_index(64);
    DeviceArray<double> by_mask(64);
    DeviceArray<std::uint32_t> transposed(64), pair(64);
    prim::launch<Exchange>({}, 1, 0, {by_index.get(), by_mask.get(), transposed.get(), pair.get()});
    const auto index = by_index.download();
    const auto mask = by_mask.download();
    const auto turned = transposed.download(), last = pair.download();
    for (int k = 0; k < 64; ++k) {
      const int lane = k % 32, first = k - lane;
      REQUIRE(index[k] == 100.0f + first + (3 * lane + 5) % 32);
      REQUIRE(mask[k] == 100.0 + first + (lane ^ 20));
      // Number 8 row + column is in row `row`. PTX: thread 4 g + t gets row g of the transposed
      // matrix, its columns 2 t and 2 t + 1.
      const int row = lane / 4, column = lane % 4 * 2;
      REQUIRE(prim::F16::low(turned[k]) == 8.0f * column + row);
      REQUIRE(prim::F16::high(turned[k]) == 8.0f * (column + 1) + row);
      REQUIRE(last[k] == prim::F16::pack(2.0f * (31 - lane), 2.0f * (31 - lane) + 1) + 1);
    }
  });
}

TEST_CASE("formats round to the nearest, ties to even") {
  const float inf = std::numeric_limits<float>::infinity();
  check_rounding<prim::F16>({1 + 0x1p-11f, 1 + 0x3p-11f, 1 + 0x1.01p-11f, -3.0f, 65504.0f, 65519.0f,
                             65520.0f, -1e9f, 0x1p-24f, 0x1p-25f, 0x1.8p-24f, 0x1.ffcp-15f, inf},
                            {1.0f, 1 + 0x1p-9f, 1 + 0x1p-10f, -3.0f, 65504.0f, 65504.0f, inf, -inf,
                             0x1p-24f, 0.0f, 0x1p-23f, 0x1p-14f, inf});
  check_rounding<prim::Bf16>(
      {1 + 0x1p-8f, 1 + 0x3p-8f, 1 + 0x1.01p-8f, -3.0f, 0x1.01p-130f, 3.39e38f, 3.4e38f},
      {1.0f, 1 + 0x1p-6f, 1 + 0x1p-7f, -3.0f, 0x1p-130f, 0x1.fep127f, inf});
}

TEST_CASE("two 16-bit numbers have the digits of a float") {
  const std::vector<float> x = {1.2345678f, -0.0076543f, 7.654321f};
  const auto check = [&](const std::vector<float>& y, double unit, double smallest) {
    for (std::size_t k = 0; k < x.size(); ++k) {
      REQUIRE(std::abs(y[8 * k + 5] - double{x[k]}) <= unit * std::abs(x[k]) + smallest / 2);
    }
  };
  check(functions_of<prim::F16>(x), 0x1p-22, 0x1p-24);
  check(functions_of<prim::F16x3>(x), 0x1p-22, 0x1p-24);
  check(functions_of<prim::Bf16>(x), 0x1p-16, 0);
  check(functions_of<prim::Bf16x3>(x), 0x1p-16, 0);
}

TEST_CASE("products with ones and zeros, which need no rest") {
  check_single_products<prim::F16>();
  check_single_products<prim::Bf16>();
  check_single_products<prim::F16x3>();
  check_single_products<prim::Bf16x3>();
  with_exact([]<class Format>() { check_single_products<Format>(); });
}

TEST_CASE("NaN survives relu and packing") {
  check_nan<prim::F16>();
  check_nan<prim::Bf16>();
  check_nan<prim::F16x3>();
  check_nan<prim::Bf16x3>();
}

}  // namespace lorentznet::cuda
