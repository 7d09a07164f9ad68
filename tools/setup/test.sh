#!/usr/bin/env bash
# `npm test`: sets up, builds, checks and runs every test. The last line of the output is "N passed, N failed".
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/../.."
bash tools/setup/setup.sh || { echo '0 passed, 1 failed' && exit 1; }
exec bash tools/setup/within.sh node tools/src/test-run/main.ts
