#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "parallel/backends.h"
#include "parallel/launch.h"

namespace lorentznet {

// How the ranks of a run find each other, through a store in which each writes what the others
// read. Who is missing is named within `patience`, on every rank that is there.

/// The store of rank 0, or of torchrun, once it can be reached.
/// \throws InputError if the host of rank 0 can't be resolved
/// \throws std::runtime_error if nothing listens there
StorePointer connect_store(const Launch& launch, std::chrono::seconds patience);

/// Returns when all ranks have called it.
/// \throws std::runtime_error naming the ranks that have not, or who has ended meanwhile
void call_roll(const StorePointer& store, const Launch& launch, std::chrono::seconds patience);

/// Each rank's text, on every rank.
/// \throws std::runtime_error naming the ranks that have not written theirs in time
std::vector<std::string> exchange_texts(const Place& place, const std::string& text,
                                        std::chrono::seconds patience);

/// What a rank tells the others of its device: "cpu", or "cuda:0 ID", where ID is no other GPU's.
std::string describe_device(const c10::Device& device);

/// Whether ranks with these devices, by describe_device(), can exchange tensors.
/// \throws InputError if some are on the CPU and others on GPUs, or two on the same GPU
void check_devices(const std::vector<std::string>& devices);

}  // namespace lorentznet
