#!/usr/bin/env bash
# Sets up whatever is missing, builds whatever changed, and becomes the given program, run by the workspace's Node.
#
# Usage: run.sh ENTRY [ARGUMENT...]   (ENTRY: a built file, from the workspace's root)
set -euo pipefail

workspace="$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)"
source "$workspace/tools/setup/lib/report.sh"
[ $# -gt 0 ] || stop 'run.sh needs the program to run'
cd "$workspace"
bash tools/setup/setup.sh
long_step 'building' bash tools/setup/within.sh bash tools/setup/build.sh
exec bash tools/setup/within.sh node "$@"
