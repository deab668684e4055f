#pragma once

namespace lorentznet {

/// Tells malloc to keep what is freed. A batch's edge tensors are of tens of MB, for which malloc
/// asks the system each time by default; giving the pages back and getting them zeroed again took
/// half of the time of an evaluation on a CPU. To be called when the data have been read: what that
/// needed is to be given back.
void keep_freed_memory();

}  // namespace lorentznet
