# Newer versions than the distribution's, fetched from later suites of the mirror that this machine uses already, with
# the distribution's own keys, and unpacked into the cache. The machine's sources and packages stay as they are: apt
# is given a configuration, sources and state of its own.

# Debian 13 has nats-server as one static binary.
readonly nats_suite=trixie

fetch_tools() {
  [ -n "$nats_server" ] || fetch_nats
  [ -n "$qemu_storage_daemon" ] || [ "$qemu_choice" = system ] || fetch_qemu
  ! guest_missing || fetch_guest
}

# The code name of this Debian, or stops: on anything else, what is missing has to be installed by hand.
debian_codename() {
  local ID='' VERSION_CODENAME=''
  # shellcheck source=/dev/null
  . /etc/os-release
  [ "$ID" = debian ] && [ -n "$VERSION_CODENAME" ] && command -v apt-get >/dev/null ||
    stop "nats-server $nats_least and QEMU $qemu_least (or newer) can be fetched on Debian only; install them by hand" \
      "(or set FLEXBSO_QEMU=system to use an older QEMU)"
  printf '%s' "$VERSION_CODENAME"
}

# Reads lines "URI RELEASE COMPONENT" as apt prints them; prints the first URI that serves main of release $1.
mirror_of() {
  awk -v release="$1" '$2 == release && $3 == "main" { print $1; exit }'
}

machine_sources() {
  apt-get indextargets --format '$(REPO_URI) $(RELEASE) $(COMPONENT)' 'Created-By: Packages' 'Target-Of: deb'
}

# Prints one apt source line for suite $2 of mirror $1. Debian's keyring holds the keys of the next release too.
source_line() {
  local keyring=/usr/share/keyrings/debian-archive-keyring.gpg options=''
  [ ! -r "$keyring" ] || options="[signed-by=$keyring] "
  printf 'deb %s%s %s main\n' "$options" "$1" "$2"
}

# An apt of our own in folder $1, with the machine's configuration (proxies, certificates) but not its hooks, which
# are about the machine's own lists and archives.
private_apt_configuration() {
  local folder="$1"
  mkdir -p "$folder/lists/partial" "$folder/archives/partial" "$folder/none"
  apt-config dump | grep -vE '^[A-Za-z]+(::[A-Za-z]+)*::(Pre|Post)-[A-Za-z-]+:: ' >"$folder/apt.conf"
  cat >>"$folder/apt.conf" <<CONFIGURATION
Dir::Etc::Main "/dev/null";
Dir::Etc::Parts "$folder/none";
Dir::Etc::SourceList "$folder/sources.list";
Dir::Etc::SourceParts "$folder/none";
Dir::Etc::Preferences "/dev/null";
Dir::Etc::PreferencesParts "$folder/none";
Dir::State "$folder";
Dir::State::Lists "$folder/lists";
Dir::State::Status "/var/lib/dpkg/status";
Dir::Cache "$folder";
Dir::Cache::Archives "$folder/archives";
Dir::Cache::PkgCache "";
Dir::Cache::SrcPkgCache "";
Acquire::Languages "none";
Acquire::Retries "3";
Debug::NoLocking "true";
CONFIGURATION
  # apt fetches as a user of its own, who has to reach the lists.
  chmod 755 "$folder"
}

# Downloads packages with whatever of their dependencies this machine lacks, and unpacks them into $cache/$1.
# Usage: fetch_packages NAME SUITE SOURCES PACKAGE...   (SOURCES: lines for apt; SUITE: the one that is preferred)
fetch_packages() {
  local name="$1" suite="$2" sources="$3"
  shift 3
  fetch_into "$name" "$sources" \
    apt-get install --download-only --yes --no-install-recommends --target-release "$suite" "$@"
}

# Unpacks into $cache/$1 the packages that a command downloads from sources $2. The command runs with an apt of its own,
# in the folder of that apt's archives.
# Usage: fetch_into NAME SOURCES COMMAND...
fetch_into() {
  local name="$1" sources="$2" work package
  shift 2
  mkdir -p "$cache"
  # What an interrupted fetch left; no other runs now, as there is one setup at a time.
  rm -rf "$cache/.fetch-$name-"*
  # Beside its destination, so that the last move is one rename: a half-made tool is never found.
  work="$(mktemp -d "$cache/.fetch-$name-XXXXXX")"
  private_apt_configuration "$work/apt"
  printf '%s\n' "$sources" >"$work/apt/sources.list"
  export APT_CONFIG="$work/apt/apt.conf"
  apt-get update
  (cd "$work/apt/archives" && "$@")
  mkdir "$work/unpacked"
  for package in "$work"/apt/archives/*.deb; do dpkg-deb -x "$package" "$work/unpacked"; done
  chmod 755 "$work/unpacked"
  rm -rf "${cache:?}/$name"
  mv "$work/unpacked" "$cache/$name"
  rm -rf "$work"
}

fetch_nats() {
  local codename sources mirror
  codename="$(debian_codename)"
  mirror="$(machine_sources | mirror_of "$codename")"
  [ -n "$mirror" ] || stop "this machine's apt sources name no mirror for $codename main: install nats-server by hand"
  sources="$(source_line "$mirror" "$nats_suite")"
  long_step "fetching nats-server from Debian $nats_suite into $cache" \
    fetch_packages nats-server "$nats_suite" "$sources" nats-server
}

# The machine's own sources of main, one line for apt each.
own_sources() {
  machine_sources | sort -u | while read -r uri release component; do
    [ "$component" != main ] || source_line "$uri" "$release"
  done
}

# The same, and the backports of the mirror that the machine uses.
sources_with_backports() {
  local mirror
  mirror="$(machine_sources | mirror_of "$1")"
  [ -n "$mirror" ] || stop "this machine's apt sources name no mirror for $1 main: install QEMU by hand"
  own_sources
  source_line "$mirror" "$1-backports"
}

fetch_qemu() {
  local codename sources
  codename="$(debian_codename)"
  sources="$(sources_with_backports "$codename")"
  long_step "fetching QEMU from Debian $codename-backports into $cache (FLEXBSO_QEMU=system: do without)" \
    fetch_packages qemu "$codename-backports" "$sources" qemu-system-common qemu-utils
  wrap_qemu qemu '' qemu-storage-daemon qemu-img qemu-io qemu-nbd
}

# Programs that find their libraries and modules in folder $1 of the cache. They exec: a process id stays the program's.
# OPTIONS are given to each program before its own, as words of a shell.
# Usage: wrap_qemu NAME OPTIONS PROGRAM...
wrap_qemu() {
  local folder="$cache/$1" options="$2" program libraries
  shift 2
  libraries="$(dirname "$(find "$folder/usr/lib" -maxdepth 2 -type d -name qemu -path '*-linux-gnu*')")"
  mkdir -p "$folder/bin"
  for program in "$@"; do
    cat >"$folder/bin/$program" <<WRAPPER
#!/bin/sh
export LD_LIBRARY_PATH="$libraries\${LD_LIBRARY_PATH:+:\$LD_LIBRARY_PATH}" QEMU_MODULE_DIR="$libraries/qemu"
exec "$folder/usr/bin/$program" $options "\$@"
WRAPPER
    chmod 755 "$folder/bin/$program"
  done
}

# Two checkouts share the cache, and apt cannot be run twice.
one_setup_at_a_time() {
  mkdir -p "$cache" || stop "cannot write to the cache $cache: set FLEXBSO_CACHE to a folder that you may write to"
  exec 9>"$cache/.lock"
  flock --nonblock 9 || { say 'setup: another setup is at work on the cache; waiting for it' && flock 9; }
  discover_tools
}
