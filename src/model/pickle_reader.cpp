#include "model/pickle_reader.h"

#include <algorithm>
#include <utility>

#include "io/bytes.h"
#include "io/message.h"
#include "model/pickle_opcodes.h"
#include "model/pickle_stack.h"

namespace lorentznet {
namespace {

constexpr std::string_view ordered_dict = "collections OrderedDict";

// Python's stack machine.
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
  // Executes one opcode; false at the end of the pickle.
  bool step(PickleOpcode opcode) {
    switch (opcode) {
      case PickleOpcode::stop:
        return false;
      case PickleOpcode::proto:
        check_protocol(reader_.u8());
        break;
      case PickleOpcode::mark:
        stack_.push_mark();
        break;
      case PickleOpcode::bin_put:
        stack_.put(reader_.u8());
        break;
      case PickleOpcode::long_bin_put:
        stack_.put(reader_.u32());
        break;
      case PickleOpcode::bin_get:
        stack_.get(reader_.u8());
        break;
      case PickleOpcode::long_bin_get:
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
      case PickleOpcode::none:
        stack_.push({});
        return true;
      case PickleOpcode::new_true:
      case PickleOpcode::new_false:
        stack_.push({.kind = Kind::boolean, .integer = opcode == PickleOpcode::new_true});
        return true;
      case PickleOpcode::bin_int:
        push_integer(reader_.i32());
        return true;
      case PickleOpcode::bin_int1:
        push_integer(reader_.u8());
        return true;
      case PickleOpcode::bin_int2:
        push_integer(reader_.u16());
        return true;
      case PickleOpcode::long1:
        push_integer(long_integer());
        return true;
      case PickleOpcode::bin_float:
        reader_.take(8);  // no number with a fraction means anything in a state dict
        stack_.push({.kind = Kind::real});
        return true;
      case PickleOpcode::bin_unicode:
        stack_.push({.kind = Kind::text, .text = reader_.take(reader_.u32())});
        return true;
      case PickleOpcode::global:
        stack_.push({.kind = Kind::global, .text = global_name()});
        return true;
      case PickleOpcode::empty_dict:
        stack_.push({.kind = Kind::dict});
        return true;
      case PickleOpcode::empty_list:
        stack_.push({.kind = Kind::list});
        return true;
      default:
        return false;
    }
  }

  bool push_tuple(PickleOpcode opcode) {
    switch (opcode) {
      case PickleOpcode::empty_tuple:
        stack_.push({.kind = Kind::tuple});
        return true;
      case PickleOpcode::tuple1:
        stack_.push({.kind = Kind::tuple, .parts = stack_.pop(1)});
        return true;
      case PickleOpcode::tuple2:
        stack_.push({.kind = Kind::tuple, .parts = stack_.pop(2)});
        return true;
      case PickleOpcode::tuple3:
        stack_.push({.kind = Kind::tuple, .parts = stack_.pop(3)});
        return true;
      case PickleOpcode::tuple:
        stack_.push({.kind = Kind::tuple, .parts = stack_.pop_to_mark()});
        return true;
      default:
        return false;
    }
  }

  // Opcodes that take values off the stack and put them into, or make, another.
  bool change(PickleOpcode opcode) {
    switch (opcode) {
      case PickleOpcode::append:
        extend(Kind::list, stack_.pop(1));
        return true;
      case PickleOpcode::appends:
        extend(Kind::list, stack_.pop_to_mark());
        return true;
      case PickleOpcode::set_item:
        extend(Kind::dict, stack_.pop(2));
        return true;
      case PickleOpcode::set_items:
        extend(Kind::dict, stack_.pop_to_mark());
        return true;
      case PickleOpcode::build:
        stack_.pop(1);
        extend(Kind::dict, {});
        return true;
      case PickleOpcode::bin_persid:
        stack_.push({.kind = Kind::persistent, .parts = stack_.pop(1)});
        return true;
      case PickleOpcode::reduce:
        call(stack_.pop(2));
        return true;
      default:
        return false;
    }
  }

  void call(std::vector<Index> parts) {
    const PickleValue& function = stack_.at(parts[0]);
    const PickleValue& arguments = stack_.at(parts[1]);
    if (function.kind != Kind::global || arguments.kind != Kind::tuple) {
      reader_.fail("a call of " + function.describe() + " with " + arguments.describe() +
                   ", expected a global with a tuple");
    }
    if (function.text != ordered_dict) {
      stack_.push({.kind = Kind::call, .parts = std::move(parts)});
    } else if (arguments.parts.empty()) {
      stack_.push({.kind = Kind::dict});
    } else {
      reader_.fail("an OrderedDict made of " + std::to_string(arguments.parts.size()) +
                   " arguments, expected 0");
    }
  }

  // Adds `parts` to the container on top of the stack.
  void extend(Kind kind, const std::vector<Index>& parts) {
    PickleValue& container = stack_.top();
    if (container.kind != kind || (kind == Kind::dict && parts.size() % 2 != 0)) {
      reader_.fail(std::to_string(parts.size()) + " values are put into " + container.describe() +
                   ", expected " + (kind == Kind::dict ? "pairs and a dict" : "a list"));
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

  void push_integer(std::int64_t value) { stack_.push({.kind = Kind::integer, .integer = value}); }

  BoundedReader reader_;
  std::span<const std::string_view> allowed_globals_;
  PickleStack stack_;
};

}  // namespace

std::string PickleValue::describe() const {
  switch (kind) {
    case Kind::none:
      return "None";
    case Kind::boolean:
      return "a boolean";
    case Kind::integer:
      return "the integer " + std::to_string(integer);
    case Kind::real:
      return "a real number";
    case Kind::text:
      return "the text " + in_quotes(text);
    case Kind::tuple:
      return "a tuple of " + std::to_string(parts.size());
    case Kind::list:
      return "a list";
    case Kind::dict:
      return "a dict";
    case Kind::global:
      return "the global " + in_quotes(text);
    case Kind::persistent:
      return "a persistent reference";
    case Kind::call:
      return "the result of a call";
  }
  return "nothing";
}

Pickle parse_pickle(std::string_view bytes, const std::string& what,
                    std::span<const std::string_view> allowed_globals) {
  return PickleMachine(bytes, what, allowed_globals).run();
}

}  // namespace lorentznet
