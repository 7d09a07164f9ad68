# Debian packages, from the machine's own sources. Root or sudo, and only when something is missing.

# The packages that hold what was not found, one a line. Reads what discover_tools set.
missing_packages() {
  # A QEMU from the cache uses the libraries of the distribution's, so that is installed in any case.
  [ "$system_qemu_present" = yes ] || [ -n "$qemu_storage_daemon" ] || printf '%s\n' qemu-system-common qemu-utils
  ! qemu_system_is_a_package || echo qemu-system-x86
  [ -n "$fio" ] || echo fio
  [ -n "$setpriv" ] || echo util-linux
  [ -n "$postgres_bin" ] || echo postgresql
  { [ -n "$btrfs" ] && [ -n "$mkfs_btrfs" ]; } || echo btrfs-progs
}

install_packages() {
  local packages
  packages="$(missing_packages | tr '\n' ' ')"
  packages="${packages% }"
  [ -n "$packages" ] || return 0
  command -v apt-get >/dev/null ||
    stop "this is no Debian: install by hand what holds these Debian packages' programs: $packages"
  become_root "$packages"
  # Word splitting is meant: names of packages hold no blanks.
  # shellcheck disable=SC2086
  long_step "installing the Debian packages $packages" install_now $packages
}

# Sets as_root to what runs a command as root, or says what root would have to do.
become_root() {
  as_root=()
  [ "$(id -u)" -ne 0 ] || return 0
  if command -v sudo >/dev/null && sudo -v >&2; then
    as_root=(sudo)
    return 0
  fi
  say 'setup: Debian packages are missing, and this is neither root nor able to use sudo. As root, run:'
  say "  apt-get update && apt-get install --no-install-recommends $1"
  exit 1
}

install_now() {
  local no_cluster=/etc/postgresql-common/createcluster.d/flexbso.conf status=0
  "${as_root[@]}" apt-get update
  # The package would make and start a database cluster, on the port that people expect theirs on. Only for as long
  # as the installation takes, it is told not to.
  "${as_root[@]}" mkdir -p "${no_cluster%/*}"
  echo 'create_main_cluster = false' | "${as_root[@]}" tee "$no_cluster"
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends "$@" || status=$?
  "${as_root[@]}" rm -f "$no_cluster"
  return "$status"
}
