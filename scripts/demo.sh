#!/usr/bin/env bash
# The demo behind `./run` without arguments: EauDeQN on CartPole to the end, then a few minutes of the released Atari
# configuration on Pong. Called again it goes on where it stopped. Not a benchmark.
set -euo pipefail
eaudeqn=${EAUDEQN:?is set by ./run: the path of the program}
runs=runs
pong_seconds=${EAUDEQN_DEMO_SECONDS:-180}
cartpole_options=(${EAUDEQN_DEMO_CARTPOLE_STEPS:+--steps "$EAUDEQN_DEMO_CARTPOLE_STEPS"})  # for the demo's own test

say() { printf '\n== %s\n' "$*"; }

# Stopping after the time is up is part of the plan: 75 means "saved, go on with --resume".
train() {
  local code=0
  "$@" || code=$?
  [[ $code == 0 || $code == 75 ]] || exit "$code"
}

say "1/4  EauDeQN learns classic/CartPole-v1 and grows sparse on the way (about two minutes)"
train "$eaudeqn" train classic/CartPole-v1 --output "$runs/demo_cartpole" --resume "${cartpole_options[@]}"
"$eaudeqn" evaluate "$runs/demo_cartpole" --episodes 20 --epsilon 0
"$eaudeqn" inspect "$runs/demo_cartpole"

say "2/4  The released Atari configuration on Pong for $pong_seconds seconds (the whole run is 10 million steps)"
train timeout --preserve-status --foreground --signal=INT "$pong_seconds" \
  "$eaudeqn" train atari/Pong --output "$runs/demo_pong" --resume

say "3/4  What it plays like so far: 1,000 steps of Pong"
"$eaudeqn" evaluate "$runs/demo_pong" --steps 1000

say "4/4  What is in the policy, layer by layer"
"$eaudeqn" inspect "$runs/demo_pong"

cat <<END

Next:
  ./run train atari/Pong                                     the whole run, resumable: Ctrl-C saves, --resume goes on
  ./run train atari/Pong --algorithm eaudedqn_small          a smaller network (F = 32)
  ./run train atari/Breakout --set sparsity.max_noise=5      any game, any setting
  ./run inspect $runs/demo_cartpole --json                   numbers for scripts
  ./run list environments
  ./run train --help                                         every setting explained
END
