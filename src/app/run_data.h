#pragma once

#include "app/arguments.h"
#include "lorentznet/communicator.h"
#include "lorentznet/records.h"

namespace lorentznet {

/// `--test_mode --exp_name published --download`: downloads the published network into its folder,
/// as far as it is not there. Collective. \throws InputError
void fetch_published_network(const Task& task, const Arguments& arguments,
                             const Communicator& ranks, const Log& log);

/// Reads --datadir and --test_data. If the folder holds no data, the published data set is first
/// downloaded to it: for top tagging only with --download, for quark/gluon tagging always, as many
/// files as are needed (in test mode of top tagging that with the test jets). An interrupted
/// download continues. Collective. \throws InputError
DataSplits read_data(const Task& task, const Arguments& arguments, const Communicator& ranks,
                     const Log& log);

/// Tells malloc to keep freed memory. By default it asks the system for the tens of MB of a batch's
/// edge tensors each time, and to get these pages zeroed took half the time of an evaluation on a
/// CPU. Called after the data are read, because the memory which that needed is to be given back.
void keep_freed_memory();

}  // namespace lorentznet
