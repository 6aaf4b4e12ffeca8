# What run, test and the scripts here share: messages, logs, the lock, and which Python to use. Sourced, never run.
# Everything goes to standard error: standard output belongs to the program, since scripts parse it.
# shellcheck shell=bash

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
dependencies=$root/.dependencies

say() { printf 'eaudeqn: %s\n' "$*" >&2; }

die() {
  say "$*"
  exit 1
}

# asks_for_help ARGUMENTS...: to be asked before anything is installed.
asks_for_help() { [[ " $* " == *" --help "* || " $* " == *" -h "* ]]; }

# logged LOG MESSAGE ADVICE COMMAND...: one line of progress; the output goes to LOG, whose end is shown on failure.
# COMMAND must be a program, not a function: inside a condition a function would run on after an error.
# With announce_after=SECONDS before it, what takes less time than that is done without a word.
logged() {
  local log=$1 message=$2 advice=$3 start=$SECONDS announcement=
  shift 3
  mkdir -p "$(dirname "$log")"
  if [[ -n ${announce_after:-} ]]; then
    { sleep "$announce_after" >/dev/null 2>&1 && say "$message ..."; } 9>&- &
    announcement=$!
  else
    say "$message ..."
  fi
  local failed=false
  "$@" >"$log" 2>&1 </dev/null 9>&- || failed=true
  if [[ -n $announcement ]] && kill "$announcement" 2>/dev/null; then wait "$announcement" 2>/dev/null || true; fi
  if $failed; then
    say "failed after $((SECONDS - start)) s: $message. The end of $log:"
    tail -n 40 "$log" | sed 's/^/  | /' >&2
    die "$advice"
  fi
}

# lock FILE: holds that lock until the calling script ends, so that two calls do not install, or build the same preset
# of the same checkout, at once.
lock() {
  if ! mkdir -p "$(dirname "$1")" || ! { true >>"$1"; } 2>/dev/null; then
    die "'$1' cannot be written: whoever installs and builds needs a checkout of their own, or the right to write to this one"
  fi
  exec 9>"$1"
  if ! flock --timeout 2 9; then
    say "another call holds the lock '$1'; waiting for it ..."
    flock 9
  fi
}

# hash_of FILE...: one sha256 of the contents, to tell whether a result still belongs to its inputs.
hash_of() { cat "$@" | sha256sum | cut -d' ' -f1; }

# find_python NEWEST_MINOR [OLDEST_MINOR]: a Python from 3.OLDEST_MINOR (10) to 3.NEWEST_MINOR that can make a virtual
# environment. The first python3 on PATH may be somebody's own build without those modules; the system's is the fallback.
find_python() {
  local candidate oldest=${2:-10}
  for candidate in python3 /usr/bin/python3 python3.13 python3.12 python3.11 python3.10; do
    if "$candidate" -c "import sys, venv, ensurepip; sys.exit(not (3, $oldest) <= sys.version_info[:2] <= (3, $1))" \
      >/dev/null 2>&1; then
      "$candidate" -c 'import sys; print(sys.executable)'
      return
    fi
  done
  die "no Python from 3.$oldest to 3.$1 with the modules venv and ensurepip was found; install python3 and python3-venv"
}
