// Checkpoints that are damaged, made to harm, or hold something else.
#include <catch2/catch.hpp>
#include <limits>

#include "arrays.h"
#include "io/file.h"
#include "io/helpers.h"
#include "io/zip_bytes.h"
#include "lorentznet/checkpoint.h"
#include "tagger/pickle.h"

using namespace lorentznet;
using namespace lorentznet::test;
using Catch::Contains;
using Catch::StartsWith;
using Op = PickleOpcode;

namespace {

constexpr auto huge = std::numeric_limits<std::int64_t>::max();

// A tensor as the pickle describes it; by default one that is right: 2 x 3 floats, the whole of
// the storage of 6 that goes with it.
struct Description {
  std::string storage = "FloatStorage";
  std::string key = "0";
  std::int64_t storage_size = 6;
  std::int64_t offset = 0;
  std::vector<std::int64_t> sizes{2, 3};
  std::vector<std::int64_t> strides{3, 1};
};

void write_tuple(PickleWriter& pickle, const std::vector<std::int64_t>& numbers) {
  pickle.op(Op::kMark);
  for (const std::int64_t number : numbers) pickle.integer(number);
  pickle.op(Op::kTuple);
}

void write_tensor(PickleWriter& pickle, const Description& tensor) {
  pickle.global("torch._utils", "_rebuild_tensor_v2");
  pickle.op(Op::kMark);
  pickle.op(Op::kMark);
  pickle.text("storage");
  pickle.global("torch", tensor.storage);
  pickle.text(tensor.key);
  pickle.text("cuda:3");
  pickle.integer(tensor.storage_size);
  pickle.op(Op::kTuple);
  pickle.op(Op::kBinPersid);
  pickle.integer(tensor.offset);
  write_tuple(pickle, tensor.sizes);
  write_tuple(pickle, tensor.strides);
  pickle.op(Op::kNewFalse);
  pickle.op(Op::kNone);
  pickle.op(Op::kTuple);
  pickle.op(Op::kReduce);
}

std::string pickle_of(const std::vector<std::pair<std::string, Description>>& tensors) {
  PickleWriter pickle;
  pickle.op(Op::kEmptyDict);
  for (const auto& [name, tensor] : tensors) {
    pickle.text(name);
    write_tensor(pickle, tensor);
    pickle.op(Op::kSetItem);
  }
  return pickle.finish();
}

std::vector<ZipBytes> entries_of(const std::string& pickle) {
  std::string data(24, '\0');
  return {{"top/data.pkl", pickle}, {"top/data/0", data}, {"top/version", "3\n"}};
}

// The message of reading an archive of these entries: one line that begins with the file's name, or
// "" when it was read.
std::string error_of(const std::vector<ZipBytes>& entries) {
  const TemporaryFolder folder;
  const auto path = write_file(folder, "a.pt", archive_bytes(entries));
  return input_error_naming(path, [&] { read_state_dict(path); });
}

std::string error_of_pickle(const std::string& pickle) { return error_of(entries_of(pickle)); }

std::string error_of_tensor(const Description& tensor) {
  return error_of_pickle(pickle_of({{"w", tensor}}));
}

StateDict two_arrays() {
  return {{"a", Array({3}, std::vector<float>{0, 1, 2})}, {"b", Array({}, std::vector<double>{2})}};
}

}  // namespace

TEST_CASE("a file that is no checkpoint is refused") {
  const TemporaryFolder folder;
  const auto error = [&](const std::string& bytes) {
    const auto path = write_file(folder, "a.pt", bytes);
    return input_error([&] { read_state_dict(path); });
  };
  CHECK_THAT(error(""), Contains("is empty"));
  CHECK_THAT(error("{\"lr\": 1}"), Contains("is not a zip archive"));
  CHECK_THAT(input_error([&] { read_state_dict(folder / "missing.pt"); }),
             Contains("No such file"));
  CHECK_THAT(error_of({{"x.npy", "x"}}), Contains("without 'data.pkl'"));
}

TEST_CASE("version, byte order and folder are checked") {
  const std::string pickle = pickle_of({{"w", {}}});
  REQUIRE(error_of_pickle(pickle).empty());
  const auto with = [&](const ZipBytes& entry) {
    auto entries = entries_of(pickle);
    entries.push_back(entry);
    return error_of(entries);
  };
  CHECK(with({"top/byteorder", "little"}).empty());
  CHECK_THAT(with({"top/byteorder", "big"}), Contains("'big', expected 'little'"));
  CHECK_THAT(with({"other/data.pkl", pickle}), Contains("2 entries 'data.pkl'"));
  auto entries = entries_of(pickle);
  entries.back() = {"top/version", "11\n"};
  CHECK_THAT(error_of(entries), Contains("'11\\x0a', expected 1 to 3"));
  entries.pop_back();
  CHECK_THAT(error_of(entries), Contains("no entry 'top/version'"));
}

TEST_CASE("a tensor must lie within its storage") {
  REQUIRE(error_of_tensor({}).empty());
  REQUIRE(error_of_tensor({.sizes = {3, 2}, .strides = {1, 3}}).empty());
  REQUIRE(error_of_tensor({.offset = 5, .sizes = {}, .strides = {}}).empty());
  REQUIRE(error_of_tensor({.offset = 6, .sizes = {0}, .strides = {1}}).empty());
  const auto beyond = Contains("reaches beyond its storage");
  CHECK_THAT(error_of_tensor({.offset = 1}), beyond);
  CHECK_THAT(error_of_tensor({.offset = 6, .sizes = {}, .strides = {}}), beyond);
  CHECK_THAT(error_of_tensor({.offset = 7, .sizes = {0}, .strides = {1}}), beyond);
  CHECK_THAT(error_of_tensor({.offset = huge, .sizes = {1}, .strides = {1}}), beyond);
  CHECK_THAT(error_of_tensor({.sizes = {2, 4}, .strides = {3, 1}}), beyond);
  CHECK_THAT(error_of_tensor({.sizes = {2, 2}, .strides = {huge, huge}}), beyond);
  CHECK_THAT(error_of_tensor({.sizes = {1L << 32, 1L << 32}, .strides = {0, 0}}), beyond);
  CHECK_THAT(error_of_tensor({.sizes = {7}, .strides = {0}}), beyond);
  CHECK_THAT(error_of_tensor({.offset = -1}), Contains("offset") && Contains("-1"));
  CHECK_THAT(error_of_tensor({.sizes = {-2, 3}}), Contains("size") && Contains("-2"));
  CHECK_THAT(error_of_tensor({.strides = {-3, 1}}), Contains("stride") && Contains("-3"));
  CHECK_THAT(error_of_tensor({.sizes = {6}, .strides = {1, 1}}), Contains("1 axes, but 2 strides"));
}

TEST_CASE("a storage must be there, of the size and type that are told") {
  CHECK_THAT(error_of_tensor({.storage_size = huge}), Contains("9223372036854775807 elements"));
  CHECK_THAT(error_of_tensor({.storage_size = 5}), Contains("holds 24 bytes"));
  CHECK_THAT(error_of_tensor({.storage_size = -6}), Contains("storage size") && Contains("-6"));
  CHECK_THAT(error_of_tensor({.storage = "DoubleStorage"}), Contains("holds 24 bytes"));
  CHECK_THAT(error_of_tensor({.storage = "CharStorage"}), Contains("'torch CharStorage'"));
  CHECK_THAT(error_of_tensor({.storage = "HalfStorage"}), Contains("holds 24 bytes"));
  CHECK_THAT(error_of_tensor({.key = "1"}), Contains("no entry 'top/data/1'"));
  CHECK_THAT(error_of_tensor({.key = "../version"}), Contains("no entry"));
  const Description doubles{
      .storage = "DoubleStorage", .storage_size = 3, .sizes = {3}, .strides = {1}};
  CHECK(error_of_tensor(doubles).empty());
  CHECK_THAT(error_of_pickle(pickle_of({{"a", {}}, {"b", doubles}})), Contains("another type"));
}

TEST_CASE("names come once, and all or none with module.") {
  CHECK(error_of_pickle(pickle_of({{"a", {}}, {"b", {}}})).empty());
  CHECK(error_of_pickle(pickle_of({{"module.a", {}}, {"module.b", {}}})).empty());
  CHECK_THAT(error_of_pickle(pickle_of({{"module.a", {}}, {"b", {}}})),
             Contains("1 of 2 names begin with 'module.'"));
  CHECK_THAT(error_of_pickle(pickle_of({{"a", {}}, {"a", {}}})),
             Contains("'a'") && Contains("once"));
  CHECK_THAT(error_of_pickle(pickle_of({{"module.", {}}, {"a\nb", {}}})), Contains("expected all"));
}

TEST_CASE("no global but a state dict's is let in") {
  for (const auto& [module, name] : {std::pair{"os", "system"},
                                     {"builtins", "eval"},
                                     {"torch", "load"},
                                     {"torch", "CharStorage"}}) {
    PickleWriter pickle;
    pickle.global(module, name);
    pickle.text("echo");
    pickle.op(Op::kTuple1);
    pickle.op(Op::kReduce);
    CHECK_THAT(error_of_pickle(pickle.finish()),
               Contains("refers to '" + std::string(module) + " " + name + "'"));
  }
}

TEST_CASE("a pickle of something else is refused") {
  const auto error = [](auto write) {
    PickleWriter pickle;
    write(pickle);
    return error_of_pickle(pickle.finish());
  };
  CHECK_THAT(error([](auto& p) { p.integer(5); }),
             Contains("the integer 5, expected a state dict"));
  CHECK_THAT(error([](auto& p) { p.op(Op::kEmptyList); }), Contains("a list, expected"));
  CHECK_THAT(error([](auto& p) { write_tensor(p, {}); }),
             Contains("the result of a call, expected"));
  // {'epoch': 3}, as of a dictionary of everything that a run needs to go on.
  CHECK_THAT(error([](auto& p) {
               p.op(Op::kEmptyDict);
               p.text("epoch");
               p.integer(3);
               p.op(Op::kSetItem);
             }),
             Contains("'epoch' is the integer 3, expected a tensor"));
  CHECK_THAT(error([](auto& p) {
               p.op(Op::kEmptyDict);
               p.integer(3);
               p.integer(3);
               p.op(Op::kSetItem);
             }),
             Contains("the integer 3 for a name"));
  CHECK_THAT(error([](auto& p) {
               p.op(Op::kEmptyDict);
               p.text("w");
               p.global("torch", "FloatStorage");
               p.op(Op::kEmptyTuple);
               p.op(Op::kReduce);
               p.op(Op::kSetItem);
             }),
             Contains("'w' is the result of a call, expected a tensor"));
}

TEST_CASE("a pickle that is no program for the machine is refused") {
  const auto error = [](const std::string& body) {
    return error_of_pickle("\x80\x02" + body + ".");
  };
  using namespace std::string_literals;
  REQUIRE(error("}"s).empty());
  CHECK_THAT(error("}0}"s), Contains("opcode 48"));
  CHECK_THAT(error(""s), Contains("0 values"));
  CHECK_THAT(error("}}"s), Contains("2 values"));
  CHECK_THAT(error("(}"s), Contains("1 MARKs"));
  CHECK_THAT(error("(u"s), Contains("holds 0 values"));
  CHECK_THAT(error("}NN(s"s), Contains("holds 0 values"));  // nothing is taken from below the MARK
  CHECK_THAT(error("}u"s), Contains("0 MARKs"));
  CHECK_THAT(error("}(Nu"s), Contains("pairs"));
  CHECK_THAT(error("]NNs"s), Contains("put into a list"));
  CHECK_THAT(error("}h\x07"s), Contains("memo 7"));
  CHECK_THAT(error("NNR"s), Contains("a call of None"));
  CHECK_THAT(error("NNb"s), Contains("put into None"));
  CHECK_THAT(error("ccollections\nOrderedDict\nN\x85R"s), Contains("OrderedDict made of 1"));
  CHECK_THAT(error("ccollections"s), Contains("no line ends"));
  CHECK_THAT(error("X\xff\xff\xff\xff"s + "abc"), Contains("needs 4294967295 more bytes"));
  CHECK_THAT(error("\x8a\xff"s), Contains("needs 255 more bytes"));
  CHECK_THAT(error("\x8a\x09" + std::string(9, '\0')), Contains("an integer of 9 bytes"));
  CHECK_THAT(error("}.more"s), Contains("followed by"));
  CHECK_THAT(error_of_pickle("\x80\x04}."), Contains("protocol 4"));
}

TEST_CASE("nesting, however deep, and values that hold themselves do no harm") {
  const std::size_t depth = 400000;
  CHECK_THAT(error_of_pickle("N" + std::string(depth, '\x85') + "."), Contains("a tuple of 1"));
  CHECK_THAT(error_of_pickle(std::string(depth, '(')), Contains("1 more bytes"));
  CHECK_THAT(error_of_pickle(std::string(depth, ']') + "."), Contains("400000 values"));
  // d = {}; d['w'] = d
  CHECK_THAT(error_of_pickle("\x80\x02}q\x01X\x01" + std::string(3, '\0') + "wh\x01s."),
             Contains("'w' is a dict"));
  // A memo of 4 billion places, of which one is used.
  CHECK(error_of_pickle("}r\xff\xff\xff\xff.").empty());
}

TEST_CASE("memory is bounded whatever is announced") {
  // 1 GB of zeros in 7 MB.
  constexpr std::uint64_t zeros = 258 * 4000000 + 1;
  auto entries = entries_of(pickle_of({{"w", {}}}));
  ZipBytes bomb("top/data.pkl", deflated_zeros(zeros));
  bomb.method = 8;
  bomb.size = zeros;
  entries[0] = bomb;
  CHECK_THAT(error_of(entries), Contains("is compressed"));
  entries[0].method = 0;  // more bytes than the file has
  CHECK_THAT(error_of(entries), Contains("expected at most 8388608"));

  bomb.name = "top/data/0";
  const auto elements = static_cast<std::int64_t>(zeros / 4);
  entries =
      entries_of(pickle_of({{"w", {.storage_size = elements, .sizes = {1}, .strides = {1}}}}));
  bomb.size = elements * 4;
  entries[1] = bomb;
  CHECK_THAT(error_of(entries), Contains("expected at most 268435456"));
  entries = entries_of(pickle_of({{"w", {}}}));
  bomb.size = 24;
  entries[1] = bomb;
  CHECK_THAT(error_of(entries), Contains("is compressed"));

  // A thousand tensors of one storage.
  std::vector<std::pair<std::string, Description>> many;
  const std::int64_t megabytes = 4 << 20;
  for (int i = 0; i < 1000; ++i) {
    many.emplace_back("w" + std::to_string(i),
                      Description{.storage_size = megabytes, .sizes = {megabytes}, .strides = {1}});
  }
  entries = entries_of(pickle_of(many));
  entries[1] = ZipBytes("top/data/0", std::string(4 * megabytes, '\0'));
  CHECK_THAT(error_of(entries), Contains("expected at most 268435456"));
}

TEST_CASE("the bytes of a tensor count once, those of a storage apart") {
  constexpr std::int64_t elements = 4 << 20;  // 16 MiB
  const std::string zeros(4 * elements, '\0');
  const auto error_of_sharing = [&](int tensors) {
    std::vector<std::pair<std::string, Description>> many;
    for (int i = 0; i < tensors; ++i) {
      many.emplace_back("w" + std::to_string(i),
                        Description{.storage_size = elements, .sizes = {elements}, .strides = {1}});
    }
    auto entries = entries_of(pickle_of(many));
    entries[1] = ZipBytes("top/data/0", zeros);
    return error_of(entries);
  };
  CHECK(error_of_sharing(16).empty());
  CHECK_THAT(error_of_sharing(17), Contains("expected at most 268435456"));
}

TEST_CASE("storages are bounded together, before they are unpacked") {
  constexpr std::int64_t few = 1 << 18, many = 1 << 26;  // 1 MiB and 256 MiB
  const auto of_storage = [](const char* key, std::int64_t size) {
    return Description{.key = key, .storage_size = size, .sizes = {1}, .strides = {1}};
  };
  auto entries = entries_of(pickle_of({{"a", of_storage("0", few)}, {"b", of_storage("1", many)}}));
  entries[1] = ZipBytes("top/data/0", std::string(4 * few, '\0'));
  ZipBytes announced("top/data/1", "few bytes");
  announced.size = 4 * many;
  entries.push_back(announced);
  CHECK_THAT(error_of(entries), Contains("'b'") && Contains("expected at most 268435456"));
  entries.back().size = 4 * many - 4 * few;
  CHECK_THAT(error_of(entries), Contains("holds 267386880 bytes"));
}

TEST_CASE("a checkpoint cut off anywhere is refused") {
  const TemporaryFolder folder;
  write_state_dict(folder / "whole.pt", two_arrays());
  const std::string whole = read_file(folder / "whole.pt", 1 << 20);
  for (std::size_t size = 0; size < whole.size(); ++size) {
    const auto path = write_file(folder, "cut.pt", whole.substr(0, size));
    REQUIRE_THAT(input_error([&] { read_state_dict(path); }), StartsWith(path.string() + ": "));
  }
}

TEST_CASE("a checkpoint with a flipped byte is refused or read as it was") {
  const TemporaryFolder folder;
  const StateDict written = two_arrays();
  write_state_dict(folder / "whole.pt", written);
  const std::string whole = read_file(folder / "whole.pt", 1 << 20);
  for (std::size_t i = 0; i < whole.size(); ++i) {
    for (const char mask : {'\x01', '\x80', '\xff'}) {
      std::string bytes = whole;
      bytes[i] = static_cast<char>(bytes[i] ^ mask);
      const auto path = write_file(folder, "flipped.pt", bytes);
      StateDict found = written;
      input_error([&] { found = read_state_dict(path); });
      REQUIRE(found.size() == 2);
      REQUIRE(same_bits(found[0].second, written[0].second));
    }
  }
}

TEST_CASE("a pickle with a flipped byte never does harm") {
  // With a checksum that is right, so that the pickle machine sees the damage.
  const std::string pickle = pickle_of({{"module.a", {}}, {"module.b", {}}});
  const TemporaryFolder folder;
  for (std::size_t i = 0; i < pickle.size(); ++i) {
    for (int value = 0; value < 256; value += 5) {
      std::string bytes = pickle;
      bytes[i] = static_cast<char>(bytes[i] + value);
      const auto path = write_file(folder, "a.pt", archive_bytes(entries_of(bytes)));
      StateDict found;
      input_error([&] { found = read_state_dict(path); });
      for (const auto& entry : found) REQUIRE(entry.second.element_count() <= 6);
    }
  }
}
