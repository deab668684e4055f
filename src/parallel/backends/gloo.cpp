// The torch wheel has Gloo's code but not its headers, which are Debian's here, of an older
// version. That goes well as long as nothing but pointers to Gloo's types passes between the two:
// no object of Gloo may be made or used in this file, nor ProcessGroupGloo::GlooStore.
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
  } else if (place.one_machine) {  // its name may lead to no address, or to another one
    options->devices.push_back(Gloo::createDeviceForHostname("127.0.0.1"));
  } else {
    options->devices.push_back(Gloo::createDefaultDevice());
  }
  return c10::make_intrusive<Gloo>(place.store, static_cast<int>(place.rank),
                                   static_cast<int>(place.size), options);
}

}  // namespace lorentznet
