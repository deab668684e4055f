// Prints the ROC figures of jets for tests/python/check_metrics.py.
//
// Standard input holds cases: the number of jets and 1 if they have weights, else 0, then "label
// score" or "label score weight" for each. For each case it prints one line of JSON with the names
// of RocCurve, "auc" and the rejections at 0.3 and 0.5 (null: no background jet passes). The first
// threshold is the word Infinity, as in Python's json module.
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <iostream>
#include <optional>
#include <vector>

#include "lorentznet/metrics.h"

namespace {

void print_number(std::optional<double> value) {
  if (!value) {
    std::printf("null");
  } else if (std::isinf(*value)) {
    std::printf("Infinity");
  } else {
    std::printf("%.17g", *value);
  }
}

void print_list(const char* name, const std::vector<double>& values) {
  std::printf("\"%s\": [", name);
  for (std::size_t i = 0; i < values.size(); ++i) {
    std::printf(i > 0 ? ", " : "");
    print_number(values[i]);
  }
  std::printf("], ");
}

void print_figures(const std::vector<float>& score, const std::vector<std::int8_t>& label,
                   const std::vector<double>& weight) {
  const lorentznet::RocCurve curve = lorentznet::roc_curve(score, label, weight);
  std::printf("{");
  print_list("background_efficiency", curve.background_efficiency);
  print_list("signal_efficiency", curve.signal_efficiency);
  print_list("threshold", curve.threshold);
  std::printf("\"auc\": ");
  print_number(lorentznet::roc_auc(score, label, weight));
  std::printf(", \"rejection_at_30\": ");
  print_number(lorentznet::background_rejection(curve, 0.3));
  std::printf(", \"rejection_at_50\": ");
  print_number(lorentznet::background_rejection(curve, 0.5));
  std::printf("}\n");
}

}  // namespace

int main() {
  try {
    std::size_t num_jets = 0;
    bool weighted = false;
    while (std::cin >> num_jets >> weighted) {
      std::vector<float> score(num_jets);
      std::vector<std::int8_t> label(num_jets);
      std::vector<double> weight(weighted ? num_jets : 0);
      for (std::size_t jet = 0; jet < num_jets; ++jet) {
        int number = 0;
        std::cin >> number >> score[jet];
        label[jet] = static_cast<std::int8_t>(number);
        if (weighted) std::cin >> weight[jet];
      }
      if (!std::cin) {
        std::cerr << "metrics_tool: a case ends before its last jet\n";
        return 1;
      }
      print_figures(score, label, weight);
    }
  } catch (const std::exception& error) {
    std::cerr << "metrics_tool: " << error.what() << '\n';
    return 1;
  }
  return 0;
}
