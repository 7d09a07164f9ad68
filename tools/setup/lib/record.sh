# Tells the rest of the project where the tools are.

# Writes .cache/tools.json, only when it says something new. Every value is a path or a dotted number; a path with a
# quotation mark or a backslash would need escaping and is refused.
record_tools() {
  local file="$workspace/.cache/tools.json" text guest=null
  [ -z "$qemu_system" ] || guest="{
    \"qemuSystem\": \"$qemu_system\",
    \"kernel\": \"$guest_kernel\",
    \"modules\": \"$guest_modules\",
    \"busybox\": \"$busybox\",
    \"cache\": \"$cache/guest-images\"
  }"
  text="$(
    cat <<JSON
{
  "natsServer": "$nats_server",
  "qemuStorageDaemon": "$qemu_storage_daemon",
  "qemuImg": "$qemu_img",
  "fio": "$fio",
  "setpriv": "$setpriv",
  "postgresBin": "$postgres_bin",
  "btrfs": "$btrfs",
  "mkfsBtrfs": "$mkfs_btrfs",
  "guest": $guest,
  "versions": {
    "natsServer": "$nats_version",
    "qemu": "$qemu_version",
    "fio": "$fio_version",
    "postgres": "$postgres_version"
  }
}
JSON
  )"
  case "$nats_server$qemu_storage_daemon$qemu_img$fio$setpriv$postgres_bin$btrfs$mkfs_btrfs$qemu_system$guest_modules" in
    *[\"\\]*) stop 'a tool stands in a folder whose name holds a quotation mark or a backslash' ;;
  esac
  [ "$(cat "$file" 2>/dev/null)" != "$text" ] || return 0
  mkdir -p "${file%/*}"
  printf '%s\n' "$text" >"$file.$$"
  mv "$file.$$" "$file"
  say "setup: nats-server $nats_version, QEMU $qemu_version, fio $fio_version, PostgreSQL $postgres_version"
}
