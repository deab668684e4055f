// The variables of each launcher, and those that make no sense.
#include "parallel/launch.h"

#include <catch2/catch.hpp>

#include "lorentznet/error.h"

using namespace lorentznet;

namespace {

Environment operator+(Environment a, const Environment& b) {
  a.insert(b.begin(), b.end());
  return a;
}

const Environment kTorchrun{{"RANK", "3"},
                            {"WORLD_SIZE", "4"},
                            {"LOCAL_RANK", "1"},
                            {"MASTER_ADDR", "node1"},
                            {"MASTER_PORT", "1234"},
                            {"TORCHELASTIC_USE_AGENT_STORE", "True"},
                            {"LOCAL_WORLD_SIZE", "2"}};
const Environment kOpenMpi{{"OMPI_COMM_WORLD_RANK", "1"},
                           {"OMPI_COMM_WORLD_SIZE", "2"},
                           {"OMPI_COMM_WORLD_LOCAL_RANK", "1"},
                           {"OMPI_COMM_WORLD_LOCAL_SIZE", "2"},
                           {"PMIX_NAMESPACE", "4242128385"}};
const Environment kSlurm{{"SLURM_PROCID", "5"},   {"SLURM_STEP_NUM_TASKS", "8"},
                         {"SLURM_LOCALID", "1"},  {"SLURM_STEP_NODELIST", "node[07-08],last"},
                         {"SLURM_JOB_ID", "345"}, {"SLURM_STEP_ID", "0"},
                         {"SLURM_NTASKS", "16"}};
const Environment kPmi{
    {"PMI_RANK", "1"}, {"PMI_SIZE", "2"}, {"MPI_LOCALRANKID", "1"}, {"MPI_LOCALNRANKS", "2"}};

void check(const Launch& launch, const std::string& launcher, std::int64_t rank, std::int64_t size,
           const std::string& address) {
  CHECK(launch.launcher == launcher);
  CHECK(launch.rank == rank);
  CHECK(launch.size == size);
  CHECK(launch.local_rank == 1);
  CHECK(launch.address == address);
}

void check_refused(const Environment& environment, const std::string& a, const std::string& b) {
  CAPTURE(a, b);
  CHECK_THROWS_AS(read_launch(environment), InputError);
  CHECK_THROWS_WITH(read_launch(environment), Catch::Contains(a) && Catch::Contains(b));
}

}  // namespace

TEST_CASE("without a launcher the program is one process") {
  for (const Environment& environment :
       {Environment{}, Environment{{"WORLD_SIZE", "1"}}, Environment{{"WORLD_SIZE", ""}},
        // A batch script, before srun.
        Environment{{"SLURM_PROCID", "0"}, {"SLURM_NTASKS", "4"}, {"SLURM_JOB_ID", "7"}}}) {
    const auto launch = read_launch(environment);
    CHECK(launch.rank == 0);
    CHECK(launch.size == 1);
    CHECK_FALSE(launch.connects());
  }
}

TEST_CASE("torchrun") {
  const auto launch = read_launch(kTorchrun + Environment{{"TORCHELASTIC_RESTART_COUNT", "2"}});
  check(launch, "torchrun", 3, 4, "node1");
  CHECK(launch.port == 1234);
  CHECK(launch.agent_store);
  CHECK(launch.restarts == 2);
}

TEST_CASE("Open MPI, PMI and Slurm name rank 0's machine if they know it") {
  check(read_launch(kOpenMpi), "Open MPI", 1, 2, "127.0.0.1");
  check(read_launch(kPmi), "PMI", 1, 2, "127.0.0.1");
  check(read_launch(kSlurm), "Slurm", 5, 8, "node07");
  CHECK(read_launch(kPmi).port == 29500);
  const auto other_job = read_launch(Environment{{"SLURM_JOB_ID", "346"}} + kSlurm);
  CHECK(read_launch(kSlurm).port != other_job.port);
  const Environment given{{"MASTER_ADDR", "head"}, {"MASTER_PORT", "4000"}};
  for (const auto& launcher : {kOpenMpi, kPmi, kSlurm}) {
    CHECK(read_launch(launcher + given).address == "head");
    CHECK(read_launch(launcher + given).port == 4000);
  }
  // Two machines: Open MPI below Slurm.
  const auto both = Environment{{"OMPI_COMM_WORLD_LOCAL_SIZE", "1"}} + kOpenMpi + kSlurm;
  check(read_launch(both), "Open MPI", 1, 2, "node07");
}

TEST_CASE("torchrun below mpirun decides, and mpirun below srun") {
  CHECK(read_launch(kTorchrun + kOpenMpi + kSlurm).rank == 3);
  CHECK(read_launch(kOpenMpi + kSlurm).rank == 1);
}

TEST_CASE("variables that make no sense are refused with name and value") {
  const auto with = [](const std::string& name, const std::string& value,
                       const Environment& others) {
    return Environment{{name, value}} + others;
  };
  check_refused(with("RANK", "4", kTorchrun), "RANK is 4", "WORLD_SIZE is 4");
  check_refused(with("RANK", "one", kTorchrun), "RANK", "'one'");
  check_refused(with("RANK", "-1", kTorchrun), "RANK", "-1");
  check_refused(with("RANK", "", kTorchrun), "WORLD_SIZE is 4", "RANK is not set");
  check_refused(with("WORLD_SIZE", "0", kTorchrun), "WORLD_SIZE", "0");
  check_refused(with("WORLD_SIZE", "", kTorchrun), "RANK is 3", "WORLD_SIZE is not set");
  check_refused(with("LOCAL_RANK", "4", kTorchrun), "LOCAL_RANK", "4");
  check_refused(with("MASTER_PORT", "70000", kTorchrun), "MASTER_PORT", "70000");
  check_refused(with("MASTER_ADDR", "", kTorchrun), "WORLD_SIZE is 4", "MASTER_ADDR");
  check_refused(with("OMPI_COMM_WORLD_LOCAL_SIZE", "1", kOpenMpi), "OMPI_COMM_WORLD_SIZE is 2",
                "MASTER_ADDR");
}

TEST_CASE("the first of Slurm's hosts") {
  CHECK(first_host("node") == "node");
  CHECK(first_host("a1,b2") == "a1");
  CHECK(first_host("node[07-09,12],other") == "node07");
  CHECK(first_host("rack[1-2]node[3,5].site") == "rack1node3.site");
  for (const auto* wrong : {"", ",a", "node[", "node[]", "node[1"}) {
    CAPTURE(wrong);
    CHECK_THROWS_AS(first_host(wrong), InputError);
  }
}
