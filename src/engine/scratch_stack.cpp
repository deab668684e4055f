#include <algorithm>
#include <new>
#include <utility>
#include <vector>

#include "engine/scratch.h"
#include "engine/workspace.h"

namespace lorentznet::fused {
namespace {

class Chunk {
 public:
  explicit Chunk(unsigned long size)
      : begin_(static_cast<char*>(operator new (size, std::align_val_t{kAlignment}))),
        next_(begin_),
        end_(begin_ + size) {}
  Chunk(Chunk&& other) noexcept
      : begin_(std::exchange(other.begin_, nullptr)), next_(other.next_), end_(other.end_) {}
  Chunk(const Chunk&) = delete;
  Chunk& operator=(const Chunk&) = delete;
  Chunk& operator=(Chunk&&) = delete;
  ~Chunk() { operator delete (begin_, std::align_val_t{kAlignment}); }

  unsigned long size() const { return static_cast<unsigned long>(end_ - begin_); }
  bool is_empty() const { return next_ == begin_; }
  bool has_room(unsigned long bytes) const {
    return static_cast<unsigned long>(end_ - next_) >= bytes;
  }
  void* take(unsigned long bytes) { return std::exchange(next_, next_ + bytes); }
  void give_back(void* memory) { next_ = static_cast<char*>(memory); }

 private:
  char *begin_, *next_, *end_;
};

}  // namespace

/// Chunks that follow one another; once all is given back, one as large as all of them is left.
class ScratchStack {
 public:
  void* take(unsigned long bytes) {
    const auto whole = (std::max(bytes, 1UL) + kAlignment - 1) / kAlignment * kAlignment;
    if (chunks_.empty() || !chunks_.back().has_room(whole)) {
      chunks_.emplace_back(std::max({whole, largest_, kLeast}));
    }
    return chunks_.back().take(whole);
  }

  void give_back(void* memory) {
    chunks_.back().give_back(memory);
    if (!chunks_.back().is_empty()) return;
    unsigned long total = 0;
    for (const auto& chunk : chunks_) total += chunk.size();
    largest_ = std::max(largest_, total);
    if (chunks_.size() > 1 || chunks_.back().size() < largest_) chunks_.pop_back();
  }

 private:
  static constexpr unsigned long kLeast = 1UL << 20U;
  std::vector<Chunk> chunks_;
  unsigned long largest_ = 0;  ///< bytes that were in use at once, at most
};

namespace {

thread_local ScratchStack* stack_of_owner = nullptr;  ///< of the innermost ScratchScope

ScratchStack& stack_of_thread() {
  if (stack_of_owner != nullptr) return *stack_of_owner;
  thread_local ScratchStack stack;
  return stack;
}

}  // namespace

void* take_scratch(unsigned long bytes) { return stack_of_thread().take(bytes); }
void give_back_scratch(void* memory) { stack_of_thread().give_back(memory); }

ScratchOwner::ScratchOwner() : stack_(new ScratchStack) {}
ScratchOwner::~ScratchOwner() { delete stack_; }

ScratchScope::ScratchScope(const ScratchOwner& owner)
    : before_(std::exchange(stack_of_owner, owner.stack_)) {}
ScratchScope::~ScratchScope() { stack_of_owner = before_; }

}  // namespace lorentznet::fused
