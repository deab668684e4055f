#pragma once

#include <cstdint>
#include <memory>

namespace at {
class Tensor;
}

namespace lorentznet {

/// How the processes of a training, its ranks 0 .. size-1, exchange tensors.
///
/// sum() and broadcast() are collective: all ranks call the same functions in the same order, with
/// tensors of the same shape and type, and a call returns when all ranks have made it. It throws if
/// it cannot complete, because a rank is gone or late. In a single process both leave their tensor
/// as it is.
class Communicator {
 public:
  virtual ~Communicator() = default;

  virtual std::int64_t rank() const = 0;
  virtual std::int64_t size() const = 0;
  /// tensor <- its sum over all ranks; the bits are the same on each of them, and in each run.
  /// \param tensor  of any shape, contiguous, without a gradient
  virtual void sum(const at::Tensor& tensor) const = 0;
  /// tensor <- rank 0's.
  /// \param tensor  as in sum()
  virtual void broadcast(const at::Tensor& tensor) const = 0;
};

/// The communicator of a program that is one process.
std::shared_ptr<const Communicator> single_process();

}  // namespace lorentznet
