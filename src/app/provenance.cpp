#include "app/provenance.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <ctime>
#include <map>
#include <system_error>

#include "io/hash.h"
#include "io/message.h"
#include "lorentznet/error.h"

namespace lorentznet {

extern const char* const source_commit;  // made by CMake; empty outside of a git checkout

namespace {

/// JSON holds UTF-8 alone; names of files may have any bytes.
Json text_of(const std::string& name) {
  const auto quoted = Json(name).dump(-1, ' ', false, Json::error_handler_t::replace);
  return Json::parse(quoted);
}

/// The local time: 2026-11-26T12:00:00+0100
std::string time_now() {
  const auto now = std::time(nullptr);
  std::tm parts{};
  localtime_r(&now, &parts);
  std::array<char, 40> text{};
  std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%S%z", &parts);
  return text.data();
}

/// The runs in the file; a damaged one ends no training.
Json earlier_runs(const std::filesystem::path& file, const Log& log) {
  if (!std::filesystem::exists(file)) return Json::array();
  try {
    auto record = read_json(file);
    if (record.contains("runs") && record["runs"].is_array()) return record["runs"];
    log.info("Warning: " + file.string() + ": has no list of runs, and is written anew");
  } catch (const InputError& error) {
    log.info(std::string("Warning: ") + error.what() + "; it is written anew");
  }
  return Json::array();
}

/// The jets of a set that are from one file.
struct Part {
  std::int64_t jets = 0, first_row = -1, last_row = -1;
};

std::map<std::string, Part> parts_of(const JetSet& jets) {
  std::map<std::string, Part> parts;
  for (std::size_t k = 0; k < jets.sources.size(); ++k) {
    const auto& source = jets.sources[k];
    const auto next = k + 1 < jets.sources.size() ? jets.sources[k + 1].first_jet : jets.num_jets();
    auto& part = parts[source.file];
    const auto count = next - source.first_jet;
    if (part.jets == 0) part.first_row = source.first_row;
    part.first_row = std::min(part.first_row, source.first_row);
    part.last_row = std::max(part.last_row, source.first_row + count - 1);
    part.jets += count;
  }
  return parts;
}

std::int64_t count_skipped(const DataSplits& data, const std::string& file) {
  return std::count_if(data.skipped.begin(), data.skipped.end(),
                       [&](const std::string& line) { return line.starts_with(file + ": jet "); });
}

}  // namespace

std::string describe_program(const Task& task) {
  const std::string commit = source_commit;
  return fmt::format("{}_tagging {}{}", task.name, LORENTZNET_VERSION,
                     commit.empty() ? "" : fmt::format(" (commit {})", commit));
}

std::string shell_line(const std::vector<std::string>& words) {
  std::string line;
  for (const auto& word : words) line += (line.empty() ? "" : " ") + shell_word(word);
  return line;
}

Json describe_files(const DataSplits& data) {
  const auto train = parts_of(data.train), val = parts_of(data.val), test = parts_of(data.test);
  const auto jets_in = [](const std::map<std::string, Part>& parts, const std::string& file) {
    return parts.contains(file) ? parts.at(file).jets : 0;
  };
  Json files = Json::array();
  for (const auto& [file, bytes, time, sha256] : data.files) {
    Json entry{{"file", text_of(file)},
               {"bytes", bytes},
               {"sha256", sha256},
               {"train", jets_in(train, file)},
               {"val", jets_in(val, file)},
               {"test", jets_in(test, file)},
               {"skipped", count_skipped(data, file)}};
    const bool is_used = entry["train"] != 0 || entry["val"] != 0 || entry["test"] != 0;
    const bool is_known = std::find(files.begin(), files.end(), entry) != files.end();
    if (is_used && !is_known) files.push_back(std::move(entry));  // one given twice is named once
  }
  return files;
}

Json describe_checkpoint(const std::filesystem::path& file) {
  return {{"file", text_of(file.string())}, {"sha256", sha256_of_file(file)}};
}

Json describe_run(const Task& task, const Arguments& arguments, const DataSplits& data) {
  return {{"program", describe_program(task)},
          {"command", text_of(shell_line(arguments.command))},
          {"data", describe_files(data)}};
}

Json describe_test(const Task& task, const Arguments& arguments, const DataSplits& data,
                   const std::filesystem::path& checkpoint) {
  Json tested = Json::array();
  auto parts = parts_of(data.test);
  for (const auto& file : data.files) {
    if (!parts.contains(file.file)) continue;
    const auto part = parts.extract(file.file).mapped();  // a file given twice is named once
    tested.push_back({{"file", text_of(file.file)},
                      {"bytes", file.bytes},
                      {"sha256", file.sha256},
                      {"first_row", part.first_row},
                      {"last_row", part.last_row},
                      {"jets", part.jets},
                      {"skipped", count_skipped(data, file.file)}});
  }
  return {{"program", describe_program(task)},
          {"command", text_of(shell_line(arguments.command))},
          {"data", tested},
          {"checkpoint", describe_checkpoint(checkpoint)}};
}

Json identify(const Json& test) {
  Json jets = test.at("data");
  for (auto& file : jets) {
    for (const auto* const name : {"file", "bytes", "skipped"}) file.erase(name);
  }
  return {{"checkpoint", test.at("checkpoint").at("sha256")}, {"data", jets}};
}

void record_training(const std::filesystem::path& file, const Json& description, bool is_new,
                     const Log& log) {
  auto runs = is_new ? Json::array() : earlier_runs(file, log);
  Json run{{"started", time_now()}};
  run.update(description);
  runs.push_back(run);
  try {
    write_json(file, {{"runs", runs}});
  } catch (const std::system_error& error) {
    log.info(std::string("Warning: ") + error.what());
  }
}

void log_files(const Json& files, const Log& log) {
  for (const auto& file : files) {
    log.detail(
        fmt::format("Data: {}: {} train, {} val and {} test jets used, {} skipped; SHA-256 {}",
                    shell_word(file.at("file")), file.at("train").get<std::int64_t>(),
                    file.at("val").get<std::int64_t>(), file.at("test").get<std::int64_t>(),
                    file.at("skipped").get<std::int64_t>(), file.at("sha256").get<std::string>()));
  }
}

}  // namespace lorentznet
