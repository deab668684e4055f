#include "parallel/launch.h"

#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <charconv>
#include <limits>
#include <span>

#include "io/hash.h"
#include "lorentznet/error.h"

namespace lorentznet {
namespace {

constexpr std::uint16_t kDefaultPort = 29500;  // torchrun's
// Below the ports of outgoing connections.
constexpr std::uint64_t kFirstPort = 20000, kNumPorts = 12000;
constexpr std::int64_t kMostRanks = std::numeric_limits<std::int32_t>::max();

/// The names of a launcher's variables.
struct Dialect {
  const char *launcher, *rank, *size, *local_rank, *local_size, *job;
};
constexpr std::array kDialects = {
    Dialect{"torchrun", "RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE", ""},
    Dialect{"Open MPI", "OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE",
            "OMPI_COMM_WORLD_LOCAL_RANK", "OMPI_COMM_WORLD_LOCAL_SIZE", "PMIX_NAMESPACE"},
    Dialect{"PMI", "PMI_RANK", "PMI_SIZE", "MPI_LOCALRANKID", "MPI_LOCALNRANKS", ""},
    // SLURM_NTASKS is also set in a batch script, before srun has started anything.
    Dialect{"Slurm", "SLURM_PROCID", "SLURM_STEP_NUM_TASKS", "SLURM_LOCALID", "", "SLURM_JOB_ID"}};

class Variables {
 public:
  explicit Variables(const Environment& environment) : environment_(environment) {}

  /// Empty where it is not set.
  std::string text(const std::string& name) const {
    const auto found = environment_.find(name);
    return found == environment_.end() ? "" : found->second;
  }
  bool has(const std::string& name) const { return !text(name).empty(); }
  std::optional<std::int64_t> number(const std::string& name, std::int64_t least,
                                     std::int64_t most) const {
    const auto value = text(name);
    if (value.empty()) return std::nullopt;
    std::int64_t number = 0;
    const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), number);
    if (error != std::errc() || end != value.data() + value.size()) {
      throw InputError(fmt::format("{} is '{}', not a whole number", name, value));
    }
    if (number < least || number > most) {
      throw InputError(fmt::format("{} is {}, not between {} and {}", name, value, least, most));
    }
    return number;
  }

 private:
  const Environment& environment_;
};

void read_ranks(const Variables& variables, const Dialect& dialect, Launch& launch) {
  launch.launcher = dialect.launcher;
  launch.size = variables.number(dialect.size, 1, kMostRanks).value();
  if (!variables.has(dialect.rank)) {
    if (launch.size == 1) return;
    throw InputError(
        fmt::format("{} is {}, but {} is not set", dialect.size, launch.size, dialect.rank));
  }
  launch.rank = variables.number(dialect.rank, 0, kMostRanks).value();
  if (launch.rank >= launch.size) {
    throw InputError(fmt::format("{} is {}, but {} is {}", dialect.rank, launch.rank, dialect.size,
                                 launch.size));
  }
  launch.local_rank = variables.number(dialect.local_rank, 0, launch.size - 1);
}

std::string find_address(const Variables& variables, const Dialect& dialect, std::int64_t size) {
  if (variables.has("MASTER_ADDR")) return variables.text("MASTER_ADDR");
  if (variables.number(dialect.local_size, 1, size) == size) return "127.0.0.1";
  for (const char* list : {"SLURM_STEP_NODELIST", "SLURM_JOB_NODELIST"}) {
    if (variables.has(list)) return first_host(variables.text(list));
  }
  throw InputError(fmt::format("{} is {}, but MASTER_ADDR, the machine of rank 0, is not set",
                               dialect.size, size));
}

/// Jobs that share a machine should use different ports.
std::uint16_t find_port(const Variables& variables, const Dialect& dialect) {
  const auto given = variables.number("MASTER_PORT", 1, 65535);
  if (given) return static_cast<std::uint16_t>(*given);
  const auto job = variables.text(dialect.job);
  if (job.empty()) return kDefaultPort;
  const auto name = job + variables.text("SLURM_STEP_ID");
  const auto hash = fast_hash(std::as_bytes(std::span(name)));
  return static_cast<std::uint16_t>(kFirstPort + hash % kNumPorts);
}

}  // namespace

Environment process_environment() {
  Environment environment;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string word = *entry;
    const auto end = word.find('=');
    if (end != std::string::npos) environment.emplace(word.substr(0, end), word.substr(end + 1));
  }
  return environment;
}

Launch read_launch(const Environment& environment) {
  const Variables variables(environment);
  Launch launch;
  for (const auto& dialect : kDialects) {
    if (!variables.has(dialect.size)) continue;
    read_ranks(variables, dialect, launch);
    launch.agent_store = variables.text("TORCHELASTIC_USE_AGENT_STORE") == "True";
    launch.restarts = variables.number("TORCHELASTIC_RESTART_COUNT", 0, kMostRanks).value_or(0);
    if (!launch.connects()) return launch;
    launch.address = find_address(variables, dialect, launch.size);
    launch.port = find_port(variables, dialect);
    return launch;
  }
  if (variables.has("RANK")) {
    throw InputError("RANK is " + variables.text("RANK") + ", but WORLD_SIZE is not set");
  }
  return launch;
}

std::string first_host(const std::string& nodelist) {
  std::string host;
  for (std::size_t k = 0; k < nodelist.size() && nodelist[k] != ',';) {
    if (nodelist[k] != '[') {
      host += nodelist[k++];
      continue;
    }
    const auto close = nodelist.find(']', k);
    const auto end = nodelist.find_first_of(",-]", k);
    if (close == std::string::npos || end == k + 1) {
      throw InputError("'" + nodelist + "' is not a list of hosts");
    }
    host += nodelist.substr(k + 1, end - k - 1);
    k = close + 1;
  }
  if (host.empty()) throw InputError("'" + nodelist + "' is not a list of hosts");
  return host;
}

}  // namespace lorentznet
