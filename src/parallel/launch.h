#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>

namespace lorentznet {

/// What a launcher (torchrun, mpirun, srun) told this process by its environment.
struct Launch {
  std::string launcher;  ///< for people; empty: there is none, the program is one process
  std::int64_t rank = 0, size = 1;
  std::optional<std::int64_t> local_rank;  ///< among the ranks of this machine
  std::string address;                     ///< where rank 0, or torchrun, listens
  std::uint16_t port = 0;
  bool agent_store = false;   ///< torchrun listens there, and goes on when ranks end
  std::int64_t restarts = 0;  ///< of this run by torchrun so far

  /// Whether there is anybody to talk to.
  bool connects() const { return size > 1 || agent_store; }
};

using Environment = std::map<std::string, std::string>;

/// This process's environment.
Environment process_environment();

/// Reads the variables of torchrun (RANK, WORLD_SIZE, ...), else of Open MPI (OMPI_*), else of
/// other MPIs (PMI_*), else of Slurm's srun (SLURM_*): torchrun may run below mpirun, and mpirun
/// below srun. MASTER_ADDR and MASTER_PORT decide where they are set; otherwise rank 0 is on this
/// machine, where all ranks are, or on the first of Slurm's hosts. \throws InputError naming the
/// variable and its value
Launch read_launch(const Environment& environment);

/// The first host of a list as Slurm writes it: "node[07-09,12],other" -> "node07".
/// \throws InputError if it is none
std::string first_host(const std::string& nodelist);

}  // namespace lorentznet
