#!/usr/bin/env bash
# Runs a command with the workspace's own Node and programs, installing the npm packages first when they are missing.
# Every npm script goes through here or run.sh, because npm itself may run on a Node that is too old for the rest.
#
# Usage: within.sh COMMAND [ARGUMENT...]
set -euo pipefail

workspace="$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)"
for part in report modules; do source "$workspace/tools/setup/lib/$part.sh"; done

[ $# -gt 0 ] || stop 'within.sh needs a command'
cd "$workspace"
ensure_modules
exec "$@"
