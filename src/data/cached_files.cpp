#include "data/jet_cache.h"
#include "lorentznet/jet_cache.h"
#include "lorentznet/quark_gluon_data.h"
#include "lorentznet/top_data.h"

namespace lorentznet {

JetSet read_top_split_cached(const std::vector<std::filesystem::path>& files, std::int64_t max_jets,
                             const BadJetRule& rule) {
  return read_through_cache({files, max_jets, rule},
                            [&] { return read_top_split(files, max_jets, rule); });
}

JetSet read_quark_gluon_files_cached(const std::vector<std::filesystem::path>& files,
                                     std::int64_t max_jets, const BadJetRule& rule) {
  return read_through_cache({files, max_jets, rule},
                            [&] { return read_quark_gluon_files(files, max_jets, rule); });
}

}  // namespace lorentznet
