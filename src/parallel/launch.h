#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>

namespace lorentznet {

/// What a launcher (torchrun, mpirun, srun) tells this process through its environment.
struct Launch {
  std::string launcher;  ///< its name; empty: none, the program is one process
  std::int64_t rank = 0, size = 1;
  std::optional<std::int64_t> local_rank;  ///< among the ranks of this machine
  std::string address;                     ///< where rank 0, or torchrun, listens
  std::uint16_t port = 0;
  bool agent_store = false;   ///< torchrun listens there, and continues when ranks end
  std::int64_t restarts = 0;  ///< how often torchrun has restarted this run

  /// Whether there is another process to connect to.
  bool connects() const { return size > 1 || agent_store; }
};

using Environment = std::map<std::string, std::string>;

Environment process_environment();

/// Reads the variables of torchrun (RANK, WORLD_SIZE, ...), else of Open MPI (OMPI_*), else of
/// other MPIs (PMI_*), else of Slurm's srun (SLURM_*): torchrun may run below mpirun, and mpirun
/// below srun. MASTER_ADDR and MASTER_PORT say where rank 0 listens. Without them it is on this
/// machine if all ranks are, else on the first of Slurm's hosts.
/// \throws InputError naming the variable and its value
Launch read_launch(const Environment& environment);

/// The first host of a list as Slurm writes it: "node[07-09,12],other" -> "node07".
/// \throws InputError if `nodelist` is not such a list
std::string first_host(const std::string& nodelist);

}  // namespace lorentznet
