// Scores the jets of a text file with a trained top tagger: score_jets best-val-model.pt top.txt
//
// In the file a jet is the number of its constituents, then E, px, py and pz [GeV] of each. Prints
// a line a jet, the probabilities of background and signal.
#include <lorentznet/tagger.h>

#include <cstdio>
#include <fstream>
#include <stdexcept>
#include <string>
#include <vector>

int main(int argc, char** argv) try {
  if (argc != 3) throw std::runtime_error("usage: score_jets CHECKPOINT JETS");
  const auto tagger = lorentznet::Tagger::open(argv[1]);
  lorentznet::Workspace workspace;  // memory for one thread
  std::vector<float> probabilities(tagger.classes());
  std::ifstream file(argv[2]);
  for (std::size_t constituents = 0; file >> constituents;) {
    std::vector<double> p4(4 * constituents);
    for (double& component : p4) file >> component;
    if (!file) throw std::runtime_error("the file ends within a jet, or holds something else");
    const lorentznet::JetView jet{.p4 = p4};
    const auto status = tagger.score(jet, probabilities, workspace);
    if (status != lorentznet::JetStatus::kScored) {
      throw std::runtime_error(std::string(lorentznet::reason(status)));
    }
    std::printf("%.9g %.9g\n", probabilities[0], probabilities[1]);  // all digits of a float
  }
  if (!file.eof()) throw std::runtime_error("the file cannot be read, or holds something else");
} catch (const std::exception& error) {
  std::fprintf(stderr, "%s\n", error.what());
  return 2;
}
