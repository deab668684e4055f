#pragma once

#include "app/arguments.h"

namespace lorentznet {

/// Whether the flags' values mean something, and go together. \throws InputError if not
void check_arguments(const Arguments& arguments);

}  // namespace lorentznet
