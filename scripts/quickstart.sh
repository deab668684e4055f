#!/usr/bin/env bash
# From a fresh clone to numbers: sets up, builds, evaluates the shipped checkpoints on the shipped
# jets, trains a small network on them and prints a table. The second time it only computes.
set -euo pipefail
# shellcheck source=scripts/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

cd "$PROJECT_DIR"
bin=build/release/bin
top=(--datadir data/top --logdir logs/top)
qg=(--datadir data/qg --logdir logs/qg)

scripts/setup.sh
step "configuring build/release" configure release release
step "building the programs (minutes the first time)" build release --target programs

step "top tagging: evaluating the shipped checkpoint" \
  "$bin/top_tagging" --test_mode --exp_name pretrained "${top[@]}"
step "quark/gluon tagging: evaluating the shipped checkpoint" \
  "$bin/qg_tagging" --test_mode --exp_name pretrained "${qg[@]}"
step "top tagging: training a small network" \
  "$bin/top_tagging" --exp_name quickstart --overwrite --epochs 3 --warmup_epochs 1 \
  --n_hidden 16 --n_layers 3 "${top[@]}"

echo
python3 scripts/results_table.py logs/top/pretrained logs/qg/pretrained logs/top/quickstart
cat <<'END'

The jets are simulated and few: expect the last digits of 1/eB to mean little.
Scores of single jets are in score.npy (label, p0, p1) beside each test-result.json. What next:
  train in full        build/release/bin/top_tagging --exp_name mine --datadir data/top --logdir logs/top
  score your own jets  build/release/bin/top_tagging --test_mode --exp_name pretrained --test_data FILE.h5 --logdir logs/top
  all options          build/release/bin/top_tagging --help
  the tests            scripts/test.sh
END
say "all of it took $SECONDS s"
