# Looks at what this machine and the cache hold. Sets one variable per tool: its path, or nothing when it is missing.

if [ "$(id -u)" -eq 0 ]; then
  # Not under /root: data planes run as other users, who may not look into it.
  default_cache=/var/cache/flexbso
else
  default_cache="${XDG_CACHE_HOME:-$HOME/.cache}/flexbso"
fi
readonly cache="${FLEXBSO_CACHE:-$default_cache}"
case "$cache" in /*) ;; *) stop "FLEXBSO_CACHE is '$cache': it has to be an absolute path" ;; esac
readonly qemu_choice="${FLEXBSO_QEMU:-}"
[ -z "$qemu_choice" ] || [ "$qemu_choice" = system ] || stop "FLEXBSO_QEMU is '$qemu_choice': only 'system' is known"

discover_tools() {
  # Debian keeps some programs where an ordinary user's PATH does not look.
  local PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin"
  discover_nats
  discover_qemu
  fio="$(command -v fio || true)"
  fio_version="$([ -z "$fio" ] || version_of "$fio")"
  setpriv="$(command -v setpriv || true)"
  discover_btrfs
  discover_postgres
  discover_guest
}

discover_nats() {
  local candidate
  nats_server='' nats_version=''
  for candidate in "$(command -v nats-server || true)" "$cache/nats-server/usr/sbin/nats-server"; do
    [ -x "$candidate" ] || continue
    nats_version="$(version_of "$candidate")"
    if at_least "$nats_version" "$nats_least"; then nats_server="$candidate" && return; fi
  done
}

# The storage daemon and qemu-img always come from the same place, so that they agree on formats.
discover_qemu() {
  local folder least="$qemu_least"
  qemu_storage_daemon='' qemu_img='' qemu_version=''
  system_qemu_present=no
  [ "$qemu_choice" != system ] || least=0
  for folder in "$(folder_of qemu-storage-daemon)" "$cache/qemu/bin"; do
    [ -x "$folder/qemu-storage-daemon" ] && [ -x "$folder/qemu-img" ] || continue
    [ "$folder" = "$cache/qemu/bin" ] || system_qemu_present=yes
    qemu_version="$(version_of "$folder/qemu-storage-daemon")"
    if at_least "$qemu_version" "$least"; then
      qemu_storage_daemon="$folder/qemu-storage-daemon" qemu_img="$folder/qemu-img"
      return
    fi
  done
}

# Of one package. Without them a pool compresses nothing.
discover_btrfs() {
  btrfs="$(command -v btrfs || true)"
  mkfs_btrfs="$(command -v mkfs.btrfs || true)"
}

# The newest server binaries; no cluster and no running server is needed, tests make their own.
discover_postgres() {
  local folder
  postgres_bin='' postgres_version=''
  for folder in $(printf '%s\n' /usr/lib/postgresql/*/bin | sort -rV) "$(folder_of postgres)"; do
    [ -x "$folder/initdb" ] && [ -x "$folder/postgres" ] && [ -x "$folder/pg_ctl" ] || continue
    postgres_version="$(version_of "$folder/postgres")"
    if at_least "$postgres_version" "$postgres_least"; then postgres_bin="$folder" && return; fi
  done
}

folder_of() {
  local program
  program="$(command -v "$1" || true)"
  [ -z "$program" ] || dirname "$(readlink -f "$program")"
}

anything_missing() {
  [ -z "$nats_server" ] || [ -z "$qemu_storage_daemon" ] || [ -z "$fio" ] || [ -z "$setpriv" ] || [ -z "$postgres_bin" ] ||
    [ -z "$btrfs" ] || [ -z "$mkfs_btrfs" ] ||
    guest_missing
}

require_everything() {
  [ -n "$nats_server" ] || stop "nats-server $nats_least or newer is still missing (found: ${nats_version:-none})"
  [ -n "$qemu_storage_daemon" ] || stop "qemu-storage-daemon and qemu-img are still missing (found: ${qemu_version:-none})"
  [ -n "$fio" ] || stop 'fio is still missing'
  [ -n "$setpriv" ] || stop 'setpriv is still missing'
  [ -n "$btrfs" ] && [ -n "$mkfs_btrfs" ] || stop 'btrfs and mkfs.btrfs are still missing'
  [ -n "$postgres_bin" ] || stop "PostgreSQL $postgres_least or newer is still missing (found: ${postgres_version:-none})"
  guest_missing || return 0
  [ -n "$qemu_system" ] || stop "qemu-system-x86_64 $qemu_least or newer is still missing"
  [ -n "$guest_kernel" ] || stop "a kernel for guests is still missing in $cache/guest-parts"
  stop "busybox for guests is still missing in $cache/guest-parts"
}
