#!/usr/bin/env bash
# Makes this checkout able to build, run and test FlexBSO: npm packages, Debian packages, and, fetched into a cache, the
# tools that Debian 12 has only in older versions (nats-server, QEMU) and what a guest is made of. Safe to run again at
# any time; it looks before it acts, so that it takes a moment when nothing is missing.
#
# Usage: setup.sh
#   FLEXBSO_CACHE=DIR     where fetched tools are kept and shared by every checkout
#                         (default: /var/cache/flexbso for root, else ${XDG_CACHE_HOME:-~/.cache}/flexbso)
#   FLEXBSO_QEMU=system   use the distribution's QEMU whatever its version (before 10 a guest is not told of a resize)
#
# What it found is written to .cache/tools.json for the programs that start these tools.
# Bash, not TypeScript, because it runs before there is a Node that could run TypeScript.
set -euo pipefail

setup_folder="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
workspace="$(cd "$setup_folder/../.." && pwd)"
# shellcheck source-path=SCRIPTDIR
for part in report modules versions discover guest packages fetch record; do source "$setup_folder/lib/$part.sh"; done

main() {
  [ $# -eq 0 ] || stop "setup.sh takes no arguments, got: $*"
  cd "$workspace"
  ensure_modules
  use_commit_hook
  discover_tools
  if anything_missing; then
    one_setup_at_a_time
    install_packages
    fetch_tools
    discover_tools
    require_everything
  fi
  record_tools
}

main "$@"
