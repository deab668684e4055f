// The saves of the programs that do without LibTorch, for scripts/crash_matrix.py: each run is
// "save_tool SAVE FOLDER VERSION [TABLE]", in a fork of this process (fork_server.h). What it
// writes into FOLDER depends on SAVE and VERSION alone. An error is a line on stderr and status 2,
// as of the programs.
#include <filesystem>
#include <functional>
#include <iostream>
#include <map>
#include <string>
#include <vector>

#include "data/jet_cache.h"
#include "fetch/download.h"
#include "io/file.h"
#include "io/hash.h"
#include "io/message.h"
#include "lorentznet/checkpoint.h"
#include "lorentznet/error.h"
#include "lorentznet/readers.h"
#include "report/result_files.h"
#include "tools/fork_server.h"

namespace lorentznet::test {
namespace {

namespace fs = std::filesystem;

struct Order {
  fs::path folder;
  int version;
  fs::path file;  ///< of jets, or the table of published files
};

std::vector<float> numbers(std::size_t count, int version) {
  std::vector<float> values(count);
  for (std::size_t k = 0; k < count; ++k) {
    values[k] = static_cast<float>(k * k % 1009 + static_cast<std::size_t>(version)) / 1013;
  }
  return values;
}

void save_checkpoint(const Order& order) {
  StateDict state;
  for (const auto* const name : {"embedding.weight", "embedding.bias", "graph_dec.0.weight"}) {
    state.emplace_back(name, Array({17, 29}, numbers(17 * 29, order.version)));
  }
  write_state_dict(order.folder / "best-val-model.pt", state, R"({"task": "top"})");
}

Scores made_scores(int version) {
  Scores scores;
  scores.loss = 0.25;
  scores.accuracy = 0.75;
  for (const float value : numbers(50, version)) {
    scores.logits.insert(scores.logits.end(), {value, 1 - value});
    scores.probability.insert(scores.probability.end(), {1 - value / 2, value / 2});
    scores.label.push_back(value > 0.5F ? 1 : 0);
  }
  return scores;
}

void save_scores(const Order& order) {
  const auto scores = made_scores(order.version);
  const RunFolder folder(order.folder);
  write_together({{folder.scores(), score_bytes(scores.probability, scores.label)},
                  {folder.score_archive(), score_archive(scores)},
                  {folder.test_result(), to_json(summarize_test(scores)).dump(4)}});
}

void save_record(const Order& order) {
  TrainingRecord record;
  record.epochs = {0, order.version};
  write_json(RunFolder(order.folder).train_result(), to_json(record));
}

/// The cache of a file of jets; prints what a reader gets, whatever becomes of the cache.
void save_cache(const Order& order) {
  const CacheKey key{.files = {order.file}, .max_jets = order.version, .rule = {}};
  const auto jets = read_through_cache(
      key, [&] { return read_jets(order.file, order.version); },
      [](const std::string& line) { std::cout << line << '\n'; }, 0);
  const auto bytes = std::as_bytes(std::span(jets.p4.data(), jets.p4.size()));
  std::cout << jets.num_jets() << " jets, " << fast_hash(bytes) << '\n';
}

DownloadOptions impatient() { return {.attempts = 2, .first_wait = std::chrono::milliseconds(1)}; }

std::vector<PublishedFile> files_in(const Order& order) {
  constexpr std::size_t kMostBytes = 1 << 16;
  return published_files(read_file(order.file, kMostBytes), "set", order.file.string());
}

const std::map<std::string, std::function<void(const Order&)>> kSaves{
    {"checkpoint", save_checkpoint},
    {"scores", save_scores},
    {"record", save_record},
    {"cache", save_cache},
    {"download",
     [](const Order& order) { download_all(files_in(order), order.folder / "data", impatient()); }},
    {"network", [](const Order& order) {
       download_together(files_in(order), order.folder / "network", impatient());
     }}};

int run(int argc, const char* const* argv) {
  try {
    const std::vector<std::string> words(argv, argv + argc);
    const Order order{.folder = words.at(2),
                      .version = std::stoi(words.at(3)),
                      .file = argc > 4 ? words.at(4) : ""};
    kSaves.at(words.at(1))(order);
    return 0;
  } catch (const std::exception& error) {
    std::cerr << "save_tool: " << in_one_line(error.what()) << '\n';
    return 2;
  }
}

}  // namespace
}  // namespace lorentznet::test

int main() { lorentznet::test::serve("save_tool", lorentznet::test::run); }
