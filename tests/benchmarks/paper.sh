#!/usr/bin/env bash
# The paper's comparison from one start model, on one GPU: SFT, SPIN (T = 1) and IRFT (T = 5), one pass each.
#   tests/benchmarks/paper.sh paper-1b|paper-7b OUT [options of irltui run]
# Repeat the command to continue what was interrupted. Measure the results with the plugin irltui-lm-eval.
set -euo pipefail
preset=$1 out=$2
shift 2

arm() {
  local folder=$out/$1
  shift
  if [ -e "$folder/run.json" ]; then irltui run --resume "$folder" --headless; else irltui run "$preset" --out "$folder" --headless "$@"; fi
}

arm sft "$@" --set algorithm=sft
arm spin "$@" --set loop.outer_iterations=1
arm irft "$@"
irltui compare "$out/sft" "$out/spin" "$out/irft"
