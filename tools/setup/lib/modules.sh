# npm packages, among them Node 24 itself, which comes first on the PATH of everything that the workspace runs.

# A copy of the lockfile that node_modules was made from. Its content is compared, not its time: a git checkout
# changes times without changing anything else.
readonly lock_stamp="$workspace/node_modules/.flexbso-lock"

# Makes node_modules match package-lock.json, and puts its programs first on the PATH.
ensure_modules() {
  if ! modules_are_current; then
    command -v npm >/dev/null || stop 'npm is missing: install Node 20 or newer with npm'
    # Not `npm ci`: it refuses a lockfile without the packages of other systems (optional, for macOS and Windows),
    # which a registry that does not hold them cannot write. This installs what the lockfile says and leaves it alone.
    long_step 'installing the npm packages' npm install --no-save --no-audit --no-fund --loglevel=error
  fi
  cmp -s "$workspace/package-lock.json" "$lock_stamp" || cp "$workspace/package-lock.json" "$lock_stamp"
  export PATH="$workspace/node_modules/.bin:$PATH"
  local node_major
  node_major="$(node --version | sed -E 's/^v([0-9]+).*/\1/')"
  [ "$node_major" -ge 24 ] ||
    stop "Node 24 is needed and $(command -v node) is $node_major: npm has no Node for $(uname -sm), install it by hand"
}

modules_are_current() {
  [ -d "$workspace/node_modules" ] || return 1
  cmp -s "$workspace/package-lock.json" "$lock_stamp" && return 0
  # npm's own record is newer than the lockfile after an `npm install` by hand.
  local npm_record="$workspace/node_modules/.package-lock.json"
  [ -f "$npm_record" ] && [ ! "$workspace/package-lock.json" -nt "$npm_record" ]
}

# The versioned commit hook, for people who commit from this checkout. Somebody's own hooks path is left alone.
use_commit_hook() {
  [ -e "$workspace/.git" ] && command -v git >/dev/null || return 0
  [ -z "$(git -C "$workspace" config --get core.hooksPath || true)" ] || return 0
  git -C "$workspace" config core.hooksPath .githooks ||
    say 'setup: could not set core.hooksPath; commits from here are not checked'
}
