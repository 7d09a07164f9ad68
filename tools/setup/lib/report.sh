# What the user sees: one line per step, a sign of life in long ones, and the log of a step that failed.

say() { printf '%s\n' "$*" >&2; }

stop() {
  say "setup: $*"
  exit 1
}

# A sign of life every ten seconds: often enough that nobody takes a long download for a hang.
readonly sign_of_life_seconds=10

# Runs a command that may take long. Its output goes to a log, which is shown only when it fails.
# Usage: long_step TITLE COMMAND...
long_step() {
  local title="$1" log started=$SECONDS ticker status
  shift
  log="$(mktemp)"
  say "setup: $title ..."
  (
    # The sleep is waited for in the background, so that the ticker ends at once when it is told to.
    trap 'kill "$sleeping" 2>/dev/null; exit 0' TERM
    # Nor does it outlive a setup that was killed.
    while kill -0 $$ 2>/dev/null; do
      # Told to end just here, it leaves the sleep behind, which must not hold this setup's output open.
      sleep "$sign_of_life_seconds" 2>/dev/null &
      sleeping=$!
      wait "$sleeping"
      say "setup: $title ... $((SECONDS - started)) s"
    done
  ) >/dev/null &
  ticker=$!
  # Not "|| status=$?": bash would then go on after a failed command inside of a function.
  set +e
  (
    set -e
    "$@"
  ) >"$log" 2>&1 </dev/null
  status=$?
  set -e
  kill "$ticker" 2>/dev/null || true
  wait "$ticker" 2>/dev/null || true
  if [ "$status" -ne 0 ]; then
    cat "$log" >&2
    rm -f "$log"
    stop "$title: failed with exit status $status (its output is above)"
  fi
  rm -f "$log"
  say "setup: $title: done in $((SECONDS - started)) s"
}
