#include "lorentznet/error.h"
#include "parallel/backends.h"

namespace lorentznet {

// For the message only: make_nccl() follows.
std::string gpu_identity(const c10::Device& device) { return device.str(); }

BackendPointer make_nccl(const Place&, std::chrono::milliseconds, const c10::Device& device) {
  throw InputError("device " + device.str() +
                   ": several processes on GPUs need a build with LORENTZNET_CUDA=ON and nccl.h");
}

}  // namespace lorentznet
