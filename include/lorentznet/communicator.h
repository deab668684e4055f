#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>

namespace lorentznet {

/// What the processes of a training, its ranks 0 .. size-1, say to each other.
///
/// Every function is collective: all ranks call the same ones in the same order, with tensors of
/// the same shape and type, and each returns when all have come. One that can't go on, because a
/// rank is gone or one was late, throws. The single process has nobody to talk to: its functions
/// leave their tensors as they are.
class Communicator {
 public:
  virtual ~Communicator() = default;

  virtual std::int64_t rank() const = 0;
  virtual std::int64_t size() const = 0;
  /// tensor <- its sum over all ranks, with the same bits on each of them, run after run.
  /// \param tensor  contiguous, without a gradient
  virtual void sum(const at::Tensor& tensor) const = 0;
  /// tensor <- rank 0's.
  virtual void broadcast(const at::Tensor& tensor) const = 0;
};

/// The communicator of a program that is one process.
std::shared_ptr<const Communicator> single_process();

}  // namespace lorentznet
