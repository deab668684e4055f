#include <algorithm>
#include <unordered_map>
#include <utility>

#include "io/bytes.h"
#include "io/message.h"
#include "tagger/pickle.h"

namespace lorentznet {
namespace {

constexpr std::string_view kOrderedDict = "collections OrderedDict";

/// The stack and the memo of Python's pickle machine, and the values that they refer to by index.
/// No opcode reaches below the last open MARK. Reading a value that isn't there throws InputError
/// through the reader, which names the position in the pickle.
class PickleStack {
 public:
  using Index = std::uint32_t;

  /// `reader` must outlive the stack.
  explicit PickleStack(const BoundedReader& reader) : reader_(reader) {}

  void push(PickleValue value);
  void push_mark() { marks_.push_back(stack_.size()); }
  /// Takes `count` values off the top, in the order in which they were pushed.
  std::vector<Index> pop(std::size_t count);
  /// Takes off all values above the last MARK, and the MARK itself.
  std::vector<Index> pop_to_mark();

  PickleValue& top() { return pickle_.values.at(top_index()); }
  const PickleValue& at(Index index) const { return pickle_.at(index); }

  /// Stores the value on top in the memo.
  void put(Index number) { memo_[number] = top_index(); }
  /// Pushes the value stored under `number`.
  void get(Index number);

  /// The values; the only one left on the stack is the root.
  Pickle finish();

 private:
  std::size_t floor() const { return marks_.empty() ? 0 : marks_.back(); }
  Index top_index() const;
  void check_height(std::size_t count) const;

  const BoundedReader& reader_;
  Pickle pickle_;
  std::vector<Index> stack_;
  std::vector<std::size_t> marks_;  // heights of the stack at the open MARKs
  std::unordered_map<Index, Index> memo_;
};

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

/// Executes the opcodes.
class PickleMachine {
 public:
  using Kind = PickleValue::Kind;
  using Index = PickleStack::Index;

  PickleMachine(std::string_view bytes, const std::string& what,
                std::span<const std::string_view> allowed_globals)
      : reader_(bytes, what), allowed_globals_(allowed_globals), stack_(reader_) {}

  Pickle run() {
    while (step(static_cast<PickleOpcode>(reader_.u8()))) {
    }
    if (reader_.left() != 0) {
      reader_.fail("the pickle is followed by " + std::to_string(reader_.left()) +
                   " bytes, expected 0");
    }
    return stack_.finish();
  }

 private:
  /// \return false at the end of the pickle
  bool step(PickleOpcode opcode) {
    switch (opcode) {
      case PickleOpcode::kStop:
        return false;
      case PickleOpcode::kProto:
        check_protocol(reader_.u8());
        break;
      case PickleOpcode::kMark:
        stack_.push_mark();
        break;
      case PickleOpcode::kBinPut:
        stack_.put(reader_.u8());
        break;
      case PickleOpcode::kLongBinPut:
        stack_.put(reader_.u32());
        break;
      case PickleOpcode::kBinGet:
        stack_.get(reader_.u8());
        break;
      case PickleOpcode::kLongBinGet:
        stack_.get(reader_.u32());
        break;
      default:
        if (!push_constant(opcode) && !push_tuple(opcode) && !change(opcode)) {
          reader_.fail("pickle opcode " + std::to_string(static_cast<int>(opcode)) +
                       ", expected one of a state dict's");
        }
    }
    return true;
  }

  bool push_constant(PickleOpcode opcode) {
    switch (opcode) {
      case PickleOpcode::kNone:
        stack_.push({});
        return true;
      case PickleOpcode::kNewTrue:
      case PickleOpcode::kNewFalse:
        stack_.push({.kind = Kind::kBoolean, .integer = opcode == PickleOpcode::kNewTrue});
        return true;
      case PickleOpcode::kBinInt:
        push_integer(reader_.i32());
        return true;
      case PickleOpcode::kBinInt1:
        push_integer(reader_.u8());
        return true;
      case PickleOpcode::kBinInt2:
        push_integer(reader_.u16());
        return true;
      case PickleOpcode::kLong1:
        push_integer(long_integer());
        return true;
      case PickleOpcode::kBinFloat:
        reader_.take(8);  // a state dict has no use for it
        stack_.push({.kind = Kind::kReal});
        return true;
      case PickleOpcode::kBinUnicode:
        stack_.push({.kind = Kind::kText, .text = reader_.take(reader_.u32())});
        return true;
      case PickleOpcode::kGlobal:
        stack_.push({.kind = Kind::kGlobal, .text = global_name()});
        return true;
      case PickleOpcode::kEmptyDict:
        stack_.push({.kind = Kind::kDict});
        return true;
      case PickleOpcode::kEmptyList:
        stack_.push({.kind = Kind::kList});
        return true;
      default:
        return false;
    }
  }

  bool push_tuple(PickleOpcode opcode) {
    switch (opcode) {
      case PickleOpcode::kEmptyTuple:
        stack_.push({.kind = Kind::kTuple});
        return true;
      case PickleOpcode::kTuple1:
        stack_.push({.kind = Kind::kTuple, .parts = stack_.pop(1)});
        return true;
      case PickleOpcode::kTuple2:
        stack_.push({.kind = Kind::kTuple, .parts = stack_.pop(2)});
        return true;
      case PickleOpcode::kTuple3:
        stack_.push({.kind = Kind::kTuple, .parts = stack_.pop(3)});
        return true;
      case PickleOpcode::kTuple:
        stack_.push({.kind = Kind::kTuple, .parts = stack_.pop_to_mark()});
        return true;
      default:
        return false;
    }
  }

  /// Opcodes that combine values on the stack, into a container or a new value.
  bool change(PickleOpcode opcode) {
    switch (opcode) {
      case PickleOpcode::kAppend:
        extend(Kind::kList, stack_.pop(1));
        return true;
      case PickleOpcode::kAppends:
        extend(Kind::kList, stack_.pop_to_mark());
        return true;
      case PickleOpcode::kSetItem:
        extend(Kind::kDict, stack_.pop(2));
        return true;
      case PickleOpcode::kSetItems:
        extend(Kind::kDict, stack_.pop_to_mark());
        return true;
      case PickleOpcode::kBuild:
        stack_.pop(1);
        extend(Kind::kDict, {});
        return true;
      case PickleOpcode::kBinPersid:
        stack_.push({.kind = Kind::kPersistent, .parts = stack_.pop(1)});
        return true;
      case PickleOpcode::kReduce:
        call(stack_.pop(2));
        return true;
      default:
        return false;
    }
  }

  void call(std::vector<Index> parts) {
    const PickleValue& function = stack_.at(parts[0]);
    const PickleValue& arguments = stack_.at(parts[1]);
    if (function.kind != Kind::kGlobal || arguments.kind != Kind::kTuple) {
      reader_.fail("a call of " + function.describe() + " with " + arguments.describe() +
                   ", expected a global with a tuple");
    }
    if (function.text != kOrderedDict) {
      stack_.push({.kind = Kind::kCall, .parts = std::move(parts)});
    } else if (arguments.parts.empty()) {
      stack_.push({.kind = Kind::kDict});
    } else {
      reader_.fail("an OrderedDict made of " + std::to_string(arguments.parts.size()) +
                   " arguments, expected 0");
    }
  }

  /// Adds `parts` to the container on top of the stack.
  void extend(Kind kind, const std::vector<Index>& parts) {
    PickleValue& container = stack_.top();
    if (container.kind != kind || (kind == Kind::kDict && parts.size() % 2 != 0)) {
      reader_.fail(std::to_string(parts.size()) + " values are put into " + container.describe() +
                   ", expected " + (kind == Kind::kDict ? "pairs and a dict" : "a list"));
    }
    container.parts.insert(container.parts.end(), parts.begin(), parts.end());
  }

  std::string_view global_name() {
    std::string full(reader_.line());
    full += ' ';
    full += reader_.line();
    const auto allowed = std::find(allowed_globals_.begin(), allowed_globals_.end(), full);
    if (allowed != allowed_globals_.end()) return *allowed;
    reader_.fail("refers to " + in_quotes(full) + ", expected only what a state dict consists of");
  }

  std::int64_t long_integer() {
    const std::string_view bytes = reader_.take(reader_.u8());
    if (bytes.size() > sizeof(std::int64_t)) {
      reader_.fail("an integer of " + std::to_string(bytes.size()) + " bytes, expected at most 8");
    }
    const bool negative = !bytes.empty() && static_cast<signed char>(bytes.back()) < 0;
    std::uint64_t value = negative ? ~std::uint64_t{0} : 0;
    for (std::size_t i = bytes.size(); i-- > 0;) {
      value = (value << 8) | static_cast<unsigned char>(bytes[i]);
    }
    return static_cast<std::int64_t>(value);
  }

  void check_protocol(int protocol) const {
    if (protocol <= 2) return;
    reader_.fail("pickle protocol " + std::to_string(protocol) + ", expected at most 2");
  }

  void push_integer(std::int64_t value) { stack_.push({.kind = Kind::kInteger, .integer = value}); }

  BoundedReader reader_;
  std::span<const std::string_view> allowed_globals_;
  PickleStack stack_;
};

}  // namespace

std::string PickleValue::describe() const {
  switch (kind) {
    case Kind::kNone:
      return "None";
    case Kind::kBoolean:
      return "a boolean";
    case Kind::kInteger:
      return "the integer " + std::to_string(integer);
    case Kind::kReal:
      return "a real number";
    case Kind::kText:
      return "the text " + in_quotes(text);
    case Kind::kTuple:
      return "a tuple of " + std::to_string(parts.size());
    case Kind::kList:
      return "a list";
    case Kind::kDict:
      return "a dict";
    case Kind::kGlobal:
      return "the global " + in_quotes(text);
    case Kind::kPersistent:
      return "a persistent reference";
    case Kind::kCall:
      return "the result of a call";
  }
  return "nothing";
}

Pickle parse_pickle(std::string_view bytes, const std::string& what,
                    std::span<const std::string_view> allowed_globals) {
  return PickleMachine(bytes, what, allowed_globals).run();
}

}  // namespace lorentznet
