#include "block.h"

#include <algorithm>
#include <cstring>
#include <deque>
#include <exception>
#include <stdexcept>
#include <utility>

#include "block_state.h"
#include "cuda_names.h"
#include "sanitizers.h"

namespace lorentznet::cuda::emu {
namespace {

/// Mostly of one name: comparing its letters at each meeting would take a twentieth of a launch.
bool same(const Location& a, const Location& b) {
  return a.line() == b.line() && a.column() == b.column() &&
         (a.file_name() == b.file_name() || std::strcmp(a.file_name(), b.file_name()) == 0);
}

std::string text(const Location& at) {
  return std::string(at.file_name()) + ":" + std::to_string(at.line());
}

void check_ticket(const Thread& thread) {
  if (thread.ticket) fail("has taken a ticket without a fence after it");
}

/// All threads of [first, first + count) meet. The last one works for all and goes on.
/// \return whether any of them has voted
bool meet(Meeting& meeting, int first, int count, void* operands, Location here, WarpWork work,
          bool vote = false) {
  Block& block = *Block::current;
  const int self = block.running;
  check_ticket(block.threads[self]);
  if (meeting.arrived == 0) {
    meeting.here = here;
    meeting.first = self;
  } else if (!same(meeting.here, here)) {
    fail("is at " + text(here) + ", but thread " + std::to_string(meeting.first) + " waits at " +
         text(meeting.here));
  }
  block.threads[self].operands = operands;
  meeting.vote |= vote;
  sanitizers::release(&meeting.clock);
  if (++meeting.arrived < count) {
    block.wait();
  } else {
    meeting.arrived = 0;
    ++meeting.times;
    meeting.voted = std::exchange(meeting.vote, false);
    sanitizers::acquire(&meeting.clock);  // the operands of the others
    if (work) {
      void* all[kWarp];
      for (int k = 0; k < kWarp; ++k) all[k] = block.threads[first + k].operands;
      work(all);
    }
    sanitizers::release(&meeting.clock);
    std::fill_n(block.ready.begin() + first / kWarp, count / kWarp, ~0u);
    block.perhaps_yield();
  }
  sanitizers::acquire(&meeting.clock);
  return meeting.voted;  // until all have read it, none completes the next one
}

/// What a fiber runs: the kernel, as one thread. Exceptions don't leave a fiber.
void run_thread() {
  Fiber::entered();
  Block& block = *Block::current;
  sanitizers::acquire(&block.began);
  try {
    (*block.body)();
    if (!block.threads[block.running].copies.empty()) {
      fail("has returned with asynchronous copies that it did not wait for");
    }
    check_ticket(block.threads[block.running]);
  } catch (...) {
    block.error = std::current_exception();
  }
  block.finish();
}

void run_block(Block& block, std::deque<Strand>& strands, std::size_t shared_bytes) {
  SharedMemory shared(shared_bytes);
  block.shared = &shared;
  block.alive = static_cast<int>(block.threads.size());
  std::fill(block.ready.begin(), block.ready.end(), ~0u);
  for (int k = 0; k < block.alive; ++k) {
    block.threads[k].fenced = false;
    block.threads[k].met = block.all.times;
    block.threads[k].fiber = &strands[k].fiber;
    strands[k].fiber.prepare(strands[k].stack, run_thread);
  }
  block.start();
  sanitizers::acquire(&block.ended);
  if (block.error) std::rethrow_exception(block.error);
  if (!shared.gaps_untouched()) {
    throw std::runtime_error("block " + std::to_string(blockIdx.x) +
                             " has written to shared memory outside its arrays");
  }
}

std::vector<unsigned> order_of_blocks(unsigned blocks, Random& random) {
  std::vector<unsigned> order(blocks);
  for (unsigned k = 0; k < blocks; ++k) {
    order[k] = options.order == Order::kDescending ? blocks - 1 - k : k;
    if (options.order == Order::kRandom) std::swap(order[k], order[random.below(k + 1)]);
  }
  return order;
}

}  // namespace

void launch(unsigned blocks, unsigned threads, std::size_t shared_bytes,
            const std::function<void()>& body) {
  if (Block::current) throw std::logic_error("a kernel can't launch another one");
  if (threads == 0 || threads % kWarp) throw std::invalid_argument("a block has whole warps");
  // Kept from launch to launch: the thread sanitizer takes long to make one.
  static thread_local std::deque<Strand> strands;
  while (strands.size() < threads) strands.emplace_back();
  Block block(threads, body);
  blockDim = {threads, 1, 1};
  gridDim = {blocks, 1, 1};
  try {
    for (const unsigned k : order_of_blocks(blocks, block.random)) {
      blockIdx = {k, 0, 0};
      run_block(block, strands, shared_bytes);
    }
  } catch (...) {
    strands.clear();  // what the abandoned threads did there is ordered before nothing
    throw;
  }
}

void fail(const std::string& what) {
  throw std::runtime_error("block " + std::to_string(blockIdx.x) + ", thread " +
                           std::to_string(threadIdx.x) + " " + what);
}

void warp_meet(void* operands, Location here, WarpWork work) {
  const int warp = Block::current->running / kWarp;
  meet(Block::current->warps[warp], warp * kWarp, kWarp, operands, here, work);
}

void block_meet(Location here) {
  Block& block = *Block::current;
  meet(block.all, 0, static_cast<int>(block.threads.size()), nullptr, here, nullptr);
}

bool block_any(bool value, Location here) {
  Block& block = *Block::current;
  const int count = static_cast<int>(block.threads.size());
  return meet(block.all, 0, count, nullptr, here, nullptr, value);
}

void fence() {
  Thread& thread = Block::current->threads[Block::current->running];
  if (thread.ticket) sanitizers::acquire(thread.ticket);
  thread.fenced = true;
  thread.ticket = nullptr;
}

unsigned take_ticket(unsigned* tickets) {
  Thread& thread = Block::current->threads[Block::current->running];
  check_ticket(thread);
  if (thread.met == Block::current->all.times) fail("takes a ticket before its block has met");
  if (!thread.fenced) fail("takes a ticket without a fence before it");
  thread.met = Block::current->all.times;
  thread.fenced = false;
  thread.ticket = tickets;
  sanitizers::release(tickets);
  return (*tickets)++;
}

void* carve(std::size_t offset, std::size_t bytes) {
  void* array = Block::current->shared->carve(offset, bytes, options.redzone);
  if (!array) {
    fail("wants shared memory up to byte " + std::to_string(offset + bytes + options.redzone) +
         ", more than the launch asked for");
  }
  return array;
}

void begin_copy(Copy copy) {
  const auto misaligned = [](const void* at) { return reinterpret_cast<std::uintptr_t>(at) % 16; };
  if (misaligned(copy.to) || misaligned(copy.from)) {
    fail("copies 16 bytes from or to an address that is no multiple of 16");
  }
  Block::current->threads[Block::current->running].copies.push_back(copy);
}

std::span<const Copy> begun_copies() {
  return Block::current->threads[Block::current->running].copies;
}

void forget_copies() { Block::current->threads[Block::current->running].copies.clear(); }

}  // namespace lorentznet::cuda::emu
