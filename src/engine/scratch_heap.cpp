// In place of scratch_stack.cpp where a sanitizer shall see every piece's bounds.
#include <new>

#include "engine/scratch.h"
#include "engine/workspace.h"

namespace lorentznet::fused {

void* take_scratch(unsigned long bytes) {
  return operator new (bytes, std::align_val_t{kAlignment});
}
void give_back_scratch(void* memory) { operator delete (memory, std::align_val_t{kAlignment}); }

ScratchOwner::ScratchOwner() : stack_(nullptr) {}
ScratchOwner::~ScratchOwner() = default;
ScratchScope::ScratchScope(const ScratchOwner& owner) : before_(owner.stack_) {}
ScratchScope::~ScratchScope() = default;

}  // namespace lorentznet::fused
