#pragma once

#include <filesystem>

#include "lorentznet/lorentznet.h"
#include "lorentznet/state_dict.h"

namespace lorentznet {

/// Parameters and running statistics of `model` under the published names, sharing its memory.
StateDict model_state(LorentzNetImpl& model);

/// Copies `state` into `model`, converting between float and double.
///
/// \param file  where the state came from, for messages
/// \throws InputError naming the tensor if one is missing, left over, of another shape or not
///         finite; the model is then unchanged. A checkpoint of the other task is called that.
void load_model_state(LorentzNetImpl& model, const StateDict& state,
                      const std::filesystem::path& file);

}  // namespace lorentznet
