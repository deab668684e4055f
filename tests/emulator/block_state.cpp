#include "block_state.h"

#include <bit>
#include <stdexcept>

#include "cuda_names.h"
#include "sanitizers.h"

namespace lorentznet::cuda::emu {

std::uint64_t Random::next() {
  std::uint64_t z = state += 0x9e3779b97f4a7c15;
  z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
  z = (z ^ z >> 27) * 0x94d049bb133111eb;
  return z ^ z >> 31;
}

Block::Block(unsigned count, const std::function<void()>& kernel)
    : threads(count),
      warps(count / kWarp),
      ready(count / kWarp),
      random{options.seed},
      body(&kernel) {
  caller_.adopt_caller();
  current = this;
}

Block::~Block() { current = nullptr; }

void Block::start() {
  const int first = next();
  running = first;
  threadIdx.x = static_cast<unsigned>(first);
  sanitizers::release(&began);
  caller_.switch_to(*threads[first].fiber);
}

/// The first thread of a warp that is ready, after `skip` of them; without a loop, since every wait
/// asks for it.
int Block::next_in_warp(int warp, bool descending, int skip) const {
  const std::uint32_t lanes = ready[warp];
  if (lanes == 0) return kNobody;
  const int after = descending ? std::countl_zero(std::rotl(lanes, skip))
                               : std::countr_zero(std::rotr(lanes, skip));
  const int at = (after + skip) % kWarp;
  return warp * kWarp + (descending ? kWarp - 1 - at : at);
}

/// The same of the whole block.
int Block::next_in_block(bool descending, int skip) const {
  const int count = static_cast<int>(threads.size());
  for (int k = 0; k < count; ++k) {
    const int at = (k + skip) % count;
    const int thread = descending ? count - 1 - at : at;
    if (ready[thread / kWarp] >> thread % kWarp & 1) return thread;
  }
  return kNobody;
}

/// Who runs next. In random order, one choice in 64 leaves the running warp.
int Block::next() {
  const bool by_chance = options.order == Order::kRandom;
  const bool descending = by_chance ? random.below(2) == 1 : options.order == Order::kDescending;
  if (running != kNobody && (!by_chance || random.below(64) != 0)) {
    const int found =
        next_in_warp(running / kWarp, descending, by_chance ? random.below(kWarp) : 0);
    if (found != kNobody) return found;
  }
  return next_in_block(descending, by_chance ? random.below(threads.size()) : 0);
}

/// Switches from the running thread to another one; returns when it runs again.
void Block::resume(int thread) {
  const int self = running;
  if (thread == self) return;
  running = thread;
  threadIdx.x = static_cast<unsigned>(thread);
  threads[self].fiber->switch_to(*threads[thread].fiber);
  running = self;
  threadIdx.x = static_cast<unsigned>(self);
}

void Block::wait() {
  ready[running / kWarp] &= ~(1u << running % kWarp);
  const int other = next();
  if (other == kNobody) fail("waits for ever: " + who_waits());
  resume(other);
}

void Block::perhaps_yield() {
  if (options.order == Order::kRandom && random.below(2) == 1) resume(next());
}

void Block::finish() {
  Thread& self = threads[running];
  ready[running / kWarp] &= ~(1u << running % kWarp);
  self.copies.clear();
  sanitizers::release(&ended);
  --alive;
  const int other = error ? kNobody : next();
  if (other == kNobody) {
    if (!error && alive > 0) {
      error = std::make_exception_ptr(std::runtime_error("block " + std::to_string(blockIdx.x) +
                                                         " waits for ever: " + who_waits()));
    }
    running = kNobody;
    self.fiber->end_in(caller_);
  }
  running = other;
  threadIdx.x = static_cast<unsigned>(other);
  self.fiber->end_in(*threads[other].fiber);
}

std::string Block::who_waits() const {
  std::string text;
  const auto add = [&](const Meeting& meeting, const char* kind) {
    if (meeting.arrived == 0) return;
    text += std::to_string(meeting.arrived) + kind + meeting.here.file_name() + ":" +
            std::to_string(meeting.here.line()) + ", ";
  };
  for (const Meeting& warp : warps) add(warp, " lanes of a warp are at ");
  add(all, " threads of the block are at ");
  return text + std::to_string(threads.size() - alive) + " have returned";
}

}  // namespace lorentznet::cuda::emu
