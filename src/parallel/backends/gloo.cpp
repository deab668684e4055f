// The torch wheel has Gloo's code but not its headers. Those used here are Debian's, of an older
// version, which works as long as only pointers to Gloo's types pass between the two: this file
// must not create or use an object of Gloo, nor a ProcessGroupGloo::GlooStore.
#define USE_C10D_GLOO  // what the wheel's header asks for
#include <cstdlib>
#include <torch/csrc/distributed/c10d/ProcessGroupGloo.hpp>

#include "parallel/backends.h"

namespace lorentznet {

BackendPointer make_gloo(const Place& place, std::chrono::milliseconds timeout) {
  using Gloo = c10d::ProcessGroupGloo;
  const auto options = Gloo::Options::create(timeout);
  const char* const interface = std::getenv("GLOO_SOCKET_IFNAME");
  if (interface != nullptr && *interface != '\0') {
    options->devices.push_back(Gloo::createDeviceForInterface(interface));
  } else if (place.one_machine) {  // the host's name may have no address, or that of another host
    options->devices.push_back(Gloo::createDeviceForHostname("127.0.0.1"));
  } else {
    options->devices.push_back(Gloo::createDefaultDevice());
  }
  return c10::make_intrusive<Gloo>(place.store, static_cast<int>(place.rank),
                                   static_cast<int>(place.size), options);
}

}  // namespace lorentznet
