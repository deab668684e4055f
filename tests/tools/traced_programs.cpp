// Runs the main functions of the programs for scripts/crash_matrix.py, each in a fork of this
// process (fork_server.h), which has loaded LibTorch.
#include <filesystem>

#include "app/program.h"
#include "tools/fork_server.h"

int main() {
  lorentznet::test::serve("traced_programs", [](int argc, const char* const* argv) {
    const bool is_top = std::filesystem::path(argv[0]).filename() == "top_tagging";
    const auto& task = is_top ? lorentznet::top_tagging() : lorentznet::quark_gluon_tagging();
    return lorentznet::run_program(task, argc, argv);
  });
}
