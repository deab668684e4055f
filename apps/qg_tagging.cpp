#include "app/program.h"

int main(int argc, char** argv) {
  return lorentznet::run_program(lorentznet::quark_gluon_tagging(), argc, argv);
}
