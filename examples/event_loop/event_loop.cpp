// An event loop with threads: event_loop best-val-model.pt jets.txt THREADS JETS_PER_EVENT
//
// All threads share one tagger, and each has a workspace. In the file a jet is the number of its
// constituents, then E, px, py and pz [GeV] of each and, if the network takes it (quark/gluon), its
// PDG id. Prints a line a jet, the probabilities of the classes, and on stderr how many jets were
// tagged, and how many could not be scored and why.
#include <lorentznet/tagger.h>

#include <array>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <stdexcept>
#include <thread>
#include <vector>

namespace {

struct Event {
  std::vector<std::int64_t> offsets{0};  // constituents of jet j: offsets[j] to offsets[j+1] - 1
  std::vector<double> p4;                // [constituents, 4]
  std::vector<std::int32_t> pdg_id;      // [constituents], or none
  std::vector<float> probabilities;      // [jets, classes]
  std::vector<lorentznet::JetStatus> status;  // [jets]
};

/// Reads a jet to the end of `event`; false at the end of the file.
bool read_jet(std::ifstream& file, bool with_ids, Event& event) {
  std::size_t constituents = 0;
  if (!(file >> constituents)) return false;
  for (std::size_t i = 0; i < constituents; ++i) {
    std::array<double, 4> p{};
    std::int32_t id = 0;
    file >> p[0] >> p[1] >> p[2] >> p[3];
    if (with_ids) file >> id;
    if (!file) throw std::runtime_error("the file ends within a jet, or holds something else");
    event.p4.insert(event.p4.end(), p.begin(), p.end());
    if (with_ids) event.pdg_id.push_back(id);
  }
  event.offsets.push_back(event.offsets.back() + static_cast<std::int64_t>(constituents));
  return true;
}

std::vector<Event> read_events(const char* name, std::size_t jets_per_event,
                               const lorentznet::TaggerInputs& inputs) {
  const bool with_ids = inputs.constituents == lorentznet::ConstituentInput::kPdgIds;
  std::ifstream file(name);
  std::vector<Event> events;
  for (bool more = true; more;) {
    Event event;
    std::size_t jets = 0;
    while (jets < jets_per_event && (more = read_jet(file, with_ids, event))) ++jets;
    event.probabilities.resize(jets * static_cast<std::size_t>(inputs.classes));
    event.status.resize(jets);
    if (jets > 0) events.push_back(std::move(event));
  }
  if (!file.eof()) throw std::runtime_error("the file cannot be read, or holds something else");
  return events;
}

/// Each thread takes the next event until there is none.
void score(const lorentznet::Tagger& tagger, std::vector<Event>& events, int threads) {
  std::atomic<std::size_t> next{0};
  const auto work = [&] {
    lorentznet::Workspace workspace;
    for (std::size_t e = next++; e < events.size(); e = next++) {
      Event& event = events[e];
      const lorentznet::JetsView jets{
          .offsets = event.offsets, .p4 = event.p4, .pdg_id = event.pdg_id};
      tagger.score(jets, event.probabilities, workspace, event.status);
    }
  };
  std::vector<std::jthread> pool;
  for (int thread = 0; thread < threads; ++thread) pool.emplace_back(work);
}

void print(const std::vector<Event>& events, std::size_t classes) {
  std::size_t jets = 0, tagged = 0, refused = 0;
  for (const Event& event : events) {
    for (std::size_t j = 0; j < event.status.size(); ++j, ++jets) {
      for (std::size_t k = 0; k < classes; ++k) {
        std::printf(k == 0 ? "%.9g" : " %.9g", event.probabilities[j * classes + k]);
      }
      std::printf("\n");
      if (event.status[j] != lorentznet::JetStatus::kScored) {
        const auto reason = lorentznet::reason(event.status[j]);
        std::fprintf(stderr, "jet %zu: %.*s\n", jets, static_cast<int>(reason.size()),
                     reason.data());
        ++refused;
      }
      if (event.probabilities[j * classes + 1] > .5F) ++tagged;
    }
  }
  std::fprintf(stderr, "%zu jets in %zu events: %zu tagged, %zu not scored\n", jets, events.size(),
               tagged, refused);
}

}  // namespace

int main(int argc, char** argv) try {
  const int threads = argc == 5 ? std::atoi(argv[3]) : 0;
  const int jets_per_event = argc == 5 ? std::atoi(argv[4]) : 0;
  if (threads < 1 || jets_per_event < 1) {
    std::fprintf(stderr, "usage: event_loop CHECKPOINT JETS THREADS JETS_PER_EVENT\n");
    return 2;
  }
  const auto tagger = lorentznet::Tagger::open(argv[1]);
  auto events = read_events(argv[2], static_cast<std::size_t>(jets_per_event), tagger.inputs());
  score(tagger, events, threads);
  print(events, static_cast<std::size_t>(tagger.classes()));
} catch (const std::exception& error) {
  std::fprintf(stderr, "%s\n", error.what());
  return 2;
}
