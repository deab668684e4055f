#!/usr/bin/env bash
# From a fresh clone to results: installs what is missing, builds, tests the shipped networks on the
# shipped jets, trains a small network on them and prints a table. A second run skips installation
# and build.
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

step "top tagging: testing the shipped network" \
  "$bin/top_tagging" --test_mode --exp_name pretrained "${top[@]}"
step "quark/gluon tagging: testing the shipped network" \
  "$bin/qg_tagging" --test_mode --exp_name pretrained "${qg[@]}"
step "top tagging: training a small network" \
  "$bin/top_tagging" --exp_name quickstart --overwrite --epochs 3 --warmup_epochs 1 \
  --n_hidden 16 --n_layers 3 "${top[@]}"

echo
python3 scripts/results_table.py logs/top/pretrained logs/qg/pretrained logs/top/quickstart
cat <<'END'

There are only a few simulated test jets, so the last digits of 1/eB are not significant.
The score of each jet (label, p0, p1) is in score.npy beside test-result.json. Next steps:
  train in full        build/release/bin/top_tagging --exp_name mine --datadir data/top --logdir logs/top
  score your own jets  build/release/bin/top_tagging --test_mode --exp_name pretrained --test_data FILE.h5 --logdir logs/top
  all options          build/release/bin/top_tagging --help
  the tests            scripts/test.sh
END
say "finished in $SECONDS s"
