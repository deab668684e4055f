// The README's example of embedding: scores the jets of a file. Run by a test.
#include <ATen/ops/softmax.h>
#include <lorentznet/checkpoint.h>
#include <lorentznet/lorentznet.h>
#include <lorentznet/readers.h>
#include <torch/utils.h>

#include <cstdio>

using namespace lorentznet;

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  const torch::NoGradGuard no_grad;
  LorentzNet network(LorentzNetOptions{.n_scalar = 2, .n_hidden = 72, .n_layers = 6});
  load_model_state(*network, read_state_dict(argv[1]), argv[1]);
  network->eval();
  JetSet jets = read_jets(argv[2], 8);  // or fill p4, offsets, column and label yourself
  Batch batch = make_batch(jets, file_order(jets.num_jets()), top_tagging(),
                           {.pooling = Pooling::kJet}, /*for_training=*/false);
  at::Tensor logits = network->forward(batch);  // [J, 2]
  const auto probability = at::softmax(logits, 1);
  for (std::int64_t jet = 0; jet < jets.num_jets(); ++jet) {
    std::printf("%d %.6f\n", jets.label[jet], probability[jet][1].item<float>());
  }
}
