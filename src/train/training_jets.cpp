#include "train/training_jets.h"

#include <c10/core/CachingDeviceAllocator.h>
#include <fmt/format.h>

#include <algorithm>

#include "lorentznet/error.h"

namespace lorentznet {
namespace {

std::string describe_label(std::int64_t label, const std::string& name, std::int64_t n_class) {
  if (label < 0) return fmt::format("has no label, and the {} split needs one", name);
  return fmt::format("label {} of the {} split, the network has classes 0 to {}", label, name,
                     n_class - 1);
}

/// Bytes that the jets may take on `device`: half of what is free, so that the other half is left
/// for the steps. On the CPU none, because the jets are there already.
std::int64_t room_on(const at::Device& device) {
  if (device.is_cpu()) return 0;
  const auto free = c10::getDeviceAllocator(device.type())->getMemoryInfo(device.index()).first;
  return static_cast<std::int64_t>(free / 2);
}

double in_gb(std::int64_t bytes) { return static_cast<double>(bytes) / 1e9; }

}  // namespace

void check_split(const JetSet& set, const std::string& name, std::int64_t at_least,
                 std::int64_t n_class) {
  if (set.num_jets() < at_least) {
    throw InputError(fmt::format("{}: the {} split has {} jets, at least {} are needed",
                                 set.describe_files(), name, set.num_jets(), at_least));
  }
  for (std::int64_t jet = 0; jet < set.num_jets(); ++jet) {
    const auto label = set.label[static_cast<std::size_t>(jet)];
    if (label >= 0 && label < n_class) continue;
    throw InputError(set.describe(jet) + ": " + describe_label(label, name, n_class));
  }
  const auto is_zero = [](double weight) { return weight == 0; };
  if (!set.weight.empty() && std::all_of(set.weight.begin(), set.weight.end(), is_zero)) {
    throw InputError(set.describe_files() + ": all weights are zero");
  }
}

std::unique_ptr<const JetsOnDevice> keep_on_device(const Trainer::Data& data,
                                                   const at::Device& device,
                                                   std::optional<bool> wanted, const Log& log) {
  const auto bytes =
      ResidentJets::bytes(data.train, data.task) + ResidentJets::bytes(data.val, data.task);
  const auto room = wanted ? 0 : room_on(device);
  if (wanted.value_or(bytes <= room)) {
    log.info(fmt::format("Jets on {}: {:.2f} GB", device.str(), in_gb(bytes)));
    return std::make_unique<const JetsOnDevice>(JetsOnDevice{
        .train = {data.train, data.task, device}, .val = {data.val, data.task, device}});
  }
  if (!wanted && !device.is_cpu()) {
    log.info(fmt::format(
        "Jets on cpu: they would take {:.2f} GB, and half of what is free on {} is {:.2f} GB",
        in_gb(bytes), device.str(), in_gb(room)));
  }
  return nullptr;
}

}  // namespace lorentznet
