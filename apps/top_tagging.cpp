#include "app/program.h"

int main(int argc, char** argv) {
  return lorentznet::run_program(lorentznet::top_tagging(), argc, argv);
}
