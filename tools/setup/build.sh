#!/usr/bin/env bash
# Compiles every package that changed, then bundles the agent into one file (apps/agent/rolldown.config.ts).
# Runs with the workspace's programs on the PATH: through within.sh or run.sh.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/../.."
tsc -b
if [ -f apps/agent/rolldown.config.ts ]; then
  (cd apps/agent && rolldown --config rolldown.config.ts --logLevel warn)
fi
