#include "model/pickle_stack.h"

#include <string>
#include <utility>

namespace lorentznet {

void PickleStack::push(PickleValue value) {
  stack_.push_back(static_cast<Index>(pickle_.values.size()));
  pickle_.values.push_back(std::move(value));
}

std::vector<PickleStack::Index> PickleStack::pop(std::size_t count) {
  check_height(count);
  std::vector<Index> parts(stack_.end() - static_cast<std::ptrdiff_t>(count), stack_.end());
  stack_.resize(stack_.size() - count);
  return parts;
}

std::vector<PickleStack::Index> PickleStack::pop_to_mark() {
  if (marks_.empty()) reader_.fail("0 MARKs are open, expected 1");
  std::vector<Index> parts = pop(stack_.size() - floor());
  marks_.pop_back();
  return parts;
}

void PickleStack::get(Index number) {
  const auto place = memo_.find(number);
  if (place == memo_.end()) {
    reader_.fail("memo " + std::to_string(number) + " is read, only " +
                 std::to_string(memo_.size()) + " were stored");
  }
  stack_.push_back(place->second);
}

Pickle PickleStack::finish() {
  if (stack_.size() != 1 || !marks_.empty()) {
    reader_.fail("the pickle ends with " + std::to_string(stack_.size()) + " values and " +
                 std::to_string(marks_.size()) + " MARKs on its stack, expected 1 and 0");
  }
  pickle_.root = stack_.back();
  return std::move(pickle_);
}

PickleStack::Index PickleStack::top_index() const {
  check_height(1);
  return stack_.back();
}

void PickleStack::check_height(std::size_t count) const {
  const std::size_t height = stack_.size() - floor();
  if (height >= count) return;
  reader_.fail("the stack holds " + std::to_string(height) + " values, expected at least " +
               std::to_string(count));
}

}  // namespace lorentznet
