#include "train/loader.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <catch2/catch.hpp>

#include "lorentznet/error.h"
#include "sample.h"

using namespace lorentznet;
using namespace lorentznet::test;

namespace {

std::vector<std::int64_t> visited(BatchLoader& loader) {
  std::vector<std::int64_t> jets;
  while (const auto batch = loader.next()) {
    jets.insert(jets.end(), batch->jets.begin(), batch->jets.end());
  }
  return jets;
}

}  // namespace

TEST_CASE("an epoch's order is a permutation that depends only on the seed, on every platform") {
  const auto order = shuffled_order(1000, 99);
  auto sorted = order;
  std::sort(sorted.begin(), sorted.end());
  CHECK(sorted == file_order(1000));
  CHECK(order != file_order(1000));
  CHECK(order == shuffled_order(1000, 99));
  CHECK(order != shuffled_order(1000, 100));
  CHECK(shuffled_order(0, 1).empty());
  CHECK(shuffled_order(10, 99) == std::vector<std::int64_t>{6, 8, 0, 7, 2, 9, 3, 5, 4, 1});
}

TEST_CASE("every jet is equally likely at every position") {
  std::vector<int> first(5);
  for (std::uint64_t seed = 0; seed < 5000; ++seed) ++first[shuffled_order(5, seed)[0]];
  for (const int count : first) CHECK(std::abs(count - 1000) < 150);  // 5 standard deviations
}

TEST_CASE("batches come in order, whatever the number of workers") {
  const auto set = sample_jets(quark_gluon_tagging(), 23);
  const PoolingRule rule{.pooling = Pooling::kJet};
  for (const std::int64_t workers : {0, 1, 4, 50}) {
    CAPTURE(workers);
    const auto order = shuffled_order(23, 7);
    BatchLoader evaluation(set, quark_gluon_tagging(), rule, order,
                           {.batch_size = 5, .num_workers = workers});
    CHECK(evaluation.num_batches() == 5);
    CHECK(visited(evaluation) == order);

    BatchLoader training(set, quark_gluon_tagging(), rule, order,
                         {.batch_size = 5, .for_training = true, .num_workers = workers});
    CHECK(training.num_batches() == 4);  // the last 3 jets are dropped
    CHECK(visited(training) == std::vector<std::int64_t>(order.begin(), order.begin() + 20));

    BatchLoader resumed(
        set, quark_gluon_tagging(), rule, order,
        {.batch_size = 5, .for_training = true, .first_jet = 15, .num_workers = workers});
    CHECK(visited(resumed) == std::vector<std::int64_t>(order.begin() + 15, order.begin() + 20));
  }
}

TEST_CASE("ranks share a step's jets: equal numbers with about equal work") {
  const auto set = sample_jets(top_tagging(), 50);
  const auto order = shuffled_order(50, 3);
  for (const std::int64_t ranks : {2, 3}) {
    CAPTURE(ranks);
    std::vector<std::vector<Batch>> batches;
    for (std::int64_t rank = 0; rank < ranks; ++rank) {
      BatchLoader loader(
          set, top_tagging(), {.pooling = Pooling::kBatch}, order,
          {.batch_size = 8, .for_training = true, .first_jet = 2, .rank = rank, .ranks = ranks});
      CHECK(loader.num_batches() == 48 / (8 * ranks));
      auto& own = batches.emplace_back();
      while (auto batch = loader.next()) own.push_back(std::move(*batch));
    }
    for (std::int64_t step = 0; step < 48 / (8 * ranks); ++step) {
      std::vector<std::int64_t> jets, edges;
      for (const auto& of_rank : batches) {
        const auto& batch = of_rank.at(static_cast<std::size_t>(step));
        CHECK(batch.num_jets() == 8);
        jets.insert(jets.end(), batch.jets.begin(), batch.jets.end());
        edges.push_back(0);
        for (const auto jet : batch.jets) {
          edges.back() += set.multiplicity(jet) * set.multiplicity(jet);
        }
      }
      const auto begin = order.begin() + 2 + step * 8 * ranks;
      std::vector<std::int64_t> expected(begin, begin + 8 * ranks);
      const auto whole =
          make_batch(set, expected, top_tagging(), {.pooling = Pooling::kBatch}, true);
      std::sort(jets.begin(), jets.end());
      std::sort(expected.begin(), expected.end());
      CHECK(jets == expected);
      const auto [least, most] = std::minmax_element(edges.begin(), edges.end());
      CHECK(static_cast<double>(*most) < 1.2 * static_cast<double>(*least));
      // All pool over the columns of the whole step.
      for (const auto& of_rank : batches) {
        const auto& batch = of_rank[static_cast<std::size_t>(step)];
        CHECK(batch.n_nodes[0].item<double>() == whole.n_nodes[0].item<double>());
      }
    }
  }
}

TEST_CASE("ranks share the batches of an evaluation") {
  const auto set = sample_jets(quark_gluon_tagging(), 23);
  std::vector<std::int64_t> all;
  for (std::int64_t rank = 0; rank < 3; ++rank) {
    BatchLoader loader(set, quark_gluon_tagging(), {.pooling = Pooling::kJet}, file_order(23),
                       {.batch_size = 5, .rank = rank, .ranks = 3});
    CHECK(loader.num_batches() == 5);
    const auto first = loader.next();
    REQUIRE(first);
    CHECK(first->jets.front() == 5 * rank);
    all.insert(all.end(), first->jets.begin(), first->jets.end());
    while (const auto batch = loader.next()) {
      all.insert(all.end(), batch->jets.begin(), batch->jets.end());
    }
  }
  std::sort(all.begin(), all.end());
  CHECK(all == file_order(23));
}

TEST_CASE("an error while a batch is prepared reaches the caller, and leaving early is safe") {
  const auto set = sample_jets(quark_gluon_tagging(), 20);
  const PoolingRule narrow{.pooling = Pooling::kConstant, .n_nodes = 1};
  BatchLoader broken(set, quark_gluon_tagging(), narrow, file_order(20),
                     {.batch_size = 2, .for_training = true, .num_workers = 3});
  CHECK_THROWS_AS(broken.next(), InputError);
  BatchLoader left(set, quark_gluon_tagging(), {.pooling = Pooling::kJet}, file_order(20),
                   {.batch_size = 2, .num_workers = 3});
  CHECK(left.next()->jets == std::vector<std::int64_t>{0, 1});
}
