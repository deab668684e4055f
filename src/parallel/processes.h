#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "lorentznet/communicator.h"
#include "parallel/launch.h"

namespace c10 {
struct Device;
}

namespace lorentznet {

/// How a run of several processes ends.
struct Ending {
  enum class Kind : std::int64_t {
    kNone,      ///< not yet
    kFinished,  ///< all ranks are done
    kFailed,    ///< `rank` is the first one that reported a failure
    kGone,      ///< `rank` ended without a report
    kHangs,     ///< `rank` has not answered in time
  };
  Kind kind = Kind::kNone;
  std::int64_t rank = 0;
  std::int64_t status = 0;  ///< exit status of the program of `rank`, if it failed
};

using OnEnd = std::function<void(const Ending&)>;

/// The processes of a run, as one of them sees it: how they exchange tensors, how all of them end
/// when one fails, and notes that outlast a restart by torchrun. Without a launcher there is one
/// process, and the network is not used.
class Processes {
 public:
  /// Waits until all ranks have joined.
  /// \param timeout  a rank that does not answer for so long hangs; within five times as long all
  ///                 must have joined
  /// \param on_end   called in a thread of its own if the run ends otherwise than kFinished while
  ///                 this rank is at work. It must not return.
  /// \throws InputError if this build cannot run several processes, or the host of rank 0 has no
  ///         address
  /// \throws std::runtime_error naming the ranks that have not joined in time; on all that have
  Processes(const Launch& launch, std::chrono::seconds timeout, OnEnd on_end);
  ~Processes();

  const Launch& launch() const { return launch_; }
  const std::shared_ptr<const Communicator>& communicator() const { return communicator_; }
  /// Lets the communicator take tensors on `device`; collective.
  /// \throws InputError, on all ranks, if some are on the CPU and others on GPUs or two on the same
  ///         GPU; if this build cannot exchange them
  void use(const c10::Device& device);

  /// Notes of rank 0, which torchrun keeps for the ranks that it starts again.
  void write_note(const std::string& name, const std::string& text);
  std::optional<std::string> read_note(const std::string& name);

  /// Tells the other ranks that this one has failed, and ends all connections.
  /// \return what ends the run; an earlier failure counts
  Ending fail(std::int64_t status);
  /// This rank is done; waits for the others, and ends all connections.
  void finish();

 private:
  class Ranks;
  struct Network;

  Launch launch_;
  std::chrono::seconds patience_;  ///< with ranks that are about to join
  std::shared_ptr<const Communicator> communicator_ = single_process();
  std::unique_ptr<Network> network_;  ///< null: no other process takes part
};

}  // namespace lorentznet
