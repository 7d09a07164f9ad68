# What a guest is made of: a QEMU that emulates a machine, of the same version as the storage daemon; a kernel and
# busybox, which only the guest runs. All of it is unpacked into the cache: a kernel's package installed on this machine
# would have its boot loader changed.

# The guest runs this machine's fio, so it is of this machine's architecture, and only this one is known.
guest_is_possible() {
  [ "$(uname -m)" = x86_64 ]
}

discover_guest() {
  qemu_system='' guest_kernel='' guest_modules='' busybox=''
  guest_is_possible || return 0
  discover_qemu_system
  local kernel release
  for kernel in "$cache"/guest-parts/boot/vmlinuz-*; do
    release="${kernel##*/vmlinuz-}"
    [ -r "$kernel" ] && [ -d "$cache/guest-parts/lib/modules/$release" ] || continue
    guest_kernel="$kernel" guest_modules="$cache/guest-parts/lib/modules/$release"
  done
  [ ! -x "$cache/guest-parts/bin/busybox" ] || busybox="$cache/guest-parts/bin/busybox"
}

discover_qemu_system() {
  local candidate
  for candidate in "$(command -v qemu-system-x86_64 || true)" "$cache/qemu-system/bin/qemu-system-x86_64"; do
    [ -x "$candidate" ] || continue
    if [ "$qemu_choice" = system ] || at_least "$(version_of "$candidate")" "$qemu_least"; then
      qemu_system="$candidate" && return
    fi
  done
}

guest_missing() {
  guest_is_possible && { [ -z "$qemu_system" ] || [ -z "$guest_kernel" ] || [ -z "$busybox" ]; }
}

# Where the distribution's QEMU serves for the storage daemon, its emulator does for the guest.
qemu_system_is_a_package() {
  guest_is_possible && [ -z "$qemu_system" ] &&
    { [ "$qemu_choice" = system ] || case "$qemu_storage_daemon" in '' | "$cache"/*) false ;; esac }
}

fetch_guest() {
  [ -n "$qemu_system" ] || qemu_system_is_a_package || fetch_qemu_system
  if [ -z "$guest_kernel" ] || [ -z "$busybox" ]; then fetch_guest_parts; fi
}

fetch_qemu_system() {
  local codename sources
  codename="$(debian_codename)"
  sources="$(sources_with_backports "$codename")"
  long_step "fetching QEMU's emulator from Debian $codename-backports into $cache (FLEXBSO_QEMU=system: do without)" \
    fetch_packages qemu-system "$codename-backports" "$sources" qemu-system-x86
  # Where its firmware lies: that of a package on its own, and QEMU's.
  local data="$cache/qemu-system/usr/share"
  wrap_qemu qemu-system "-L \"$data/seabios\" -L \"$data/qemu\"" qemu-system-x86_64
}

fetch_guest_parts() {
  local codename sources
  codename="$(debian_codename)"
  sources="$(own_sources)"
  long_step "fetching a kernel and busybox for guests from Debian $codename into $cache" \
    fetch_into guest-parts "$sources" download_guest_parts
}

# Without their dependencies, which are about booting this machine. linux-image-cloud-amd64 itself is empty and depends
# on the kernel that is current.
download_guest_parts() {
  local kernel
  kernel="$(apt-cache depends linux-image-cloud-amd64 |
    sed -nE 's/^ *Depends: (linux-image-[0-9]\S*-cloud-amd64)$/\1/p' | head -n 1)"
  [ -n "$kernel" ] || stop "this machine's apt sources hold no linux-image-cloud-amd64"
  apt-get download "$kernel" busybox-static
}
