#pragma once

namespace lorentznet::fused {

class ScratchStack;

/// Scratch memory (scratch.h) that belongs to its owner instead of a thread.
class ScratchOwner {
 public:
  ScratchOwner();
  ScratchOwner(const ScratchOwner&) = delete;
  ScratchOwner& operator=(const ScratchOwner&) = delete;
  ~ScratchOwner();

 private:
  friend class ScratchScope;
  ScratchStack* stack_;
};

/// While it lives, the calling thread takes its scratch memory from an owner.
class ScratchScope {
 public:
  explicit ScratchScope(const ScratchOwner& owner);
  ScratchScope(const ScratchScope&) = delete;
  ScratchScope& operator=(const ScratchScope&) = delete;
  ~ScratchScope();

 private:
  ScratchStack* before_;
};

}  // namespace lorentznet::fused
