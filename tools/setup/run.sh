#!/usr/bin/env bash
# Sets up whatever is missing, builds whatever changed, and becomes the given program, run by the workspace's Node.
#
# Usage: run.sh ENTRY [ARGUMENT...]   (ENTRY: a built file, from the workspace's root)
set -euo pipefail

workspace="$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)"
[ $# -gt 0 ] || { echo 'run.sh needs the program to run' >&2 && exit 1; }
cd "$workspace"
bash tools/setup/setup.sh
bash tools/setup/within.sh bash tools/setup/build.sh >&2
exec bash tools/setup/within.sh node "$@"
