#include "info/jets_info.h"

int main(int argc, char** argv) { return lorentznet::run_jets(argc, argv); }
