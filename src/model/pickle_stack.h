#pragma once

#include <cstddef>
#include <cstdint>
#include <unordered_map>
#include <vector>

#include "io/bytes.h"
#include "model/pickle_reader.h"

namespace lorentznet {

/// The stack and the memo of Python's pickle machine, and the values that they refer to by index.
/// No opcode reaches below the last open MARK. What the stack doesn't hold throws InputError by way
/// of the reader, which names the place in the pickle.
class PickleStack {
 public:
  using Index = std::uint32_t;

  /// `reader` must outlive the stack.
  explicit PickleStack(const BoundedReader& reader) : reader_(reader) {}

  void push(PickleValue value);
  void push_mark() { marks_.push_back(stack_.size()); }
  /// Takes `count` values off the top; they come in the order in which they were pushed.
  std::vector<Index> pop(std::size_t count);
  /// Takes off all values above the last MARK, and the MARK.
  std::vector<Index> pop_to_mark();

  PickleValue& top() { return pickle_.values.at(top_index()); }
  const PickleValue& at(Index index) const { return pickle_.at(index); }

  /// Remembers the value on top under `number`.
  void put(Index number) { memo_[number] = top_index(); }
  /// Pushes the value remembered under `number`.
  void get(Index number);

  /// Gives away the values; the one that is left on the stack is the root.
  Pickle finish();

 private:
  std::size_t floor() const { return marks_.empty() ? 0 : marks_.back(); }
  Index top_index() const;
  void check_height(std::size_t count) const;

  const BoundedReader& reader_;
  Pickle pickle_;
  std::vector<Index> stack_;
  std::vector<std::size_t> marks_;  // heights of the stack at the MARKs that are open
  std::unordered_map<Index, Index> memo_;
};

}  // namespace lorentznet
