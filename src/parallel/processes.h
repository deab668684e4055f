#pragma once

#include <memory>
#include <optional>
#include <string>

#include "lorentznet/communicator.h"
#include "parallel/launch.h"
#include "parallel/watch.h"

namespace lorentznet {

/// The processes of a run, as one of them sees it: how they talk, what becomes of all when one
/// fails, and what outlasts them when torchrun starts them again. Without a launcher it is one
/// process, and nothing of the network is used.
class Processes {
 public:
  /// Waits until all ranks are there.
  /// \param timeout, on_end  of the Watch
  /// \throws InputError if this build can't; c10::Error if they don't come
  Processes(const Launch& launch, std::chrono::seconds timeout, Watch::OnEnd on_end);

  const Launch& launch() const { return launch_; }
  const std::shared_ptr<const Communicator>& communicator() const { return communicator_; }
  /// From now on tensors on `device` can be summed; collective. \throws InputError if they can't
  void use(const c10::Device& device);

  /// Notes of rank 0, kept by torchrun for the ranks that it starts again.
  void write_note(const std::string& name, const std::string& text);
  std::optional<std::string> read_note(const std::string& name);

  /// This rank has failed: tells the others. \return what ends the run; what failed before counts
  Ending fail(std::int64_t status);
  /// This rank is done: waits for the others.
  void finish();

 private:
  class Ranks;

  Launch launch_;
  Place place_;
  StorePointer notes_;
  std::shared_ptr<Ranks> ranks_;
  std::shared_ptr<const Communicator> communicator_ = single_process();
  std::unique_ptr<Watch> watch_;
};

}  // namespace lorentznet
