# Versions of what is needed, and how they are compared.

# 2.10: consumers with several filters, watching several keys, stream metadata (docs/design).
readonly nats_least=2.10
# 10.0: the first QEMU whose storage daemon tells a guest that its disk has grown.
readonly qemu_least=10.0
# The oldest PostgreSQL that the migrations are tested on.
readonly postgres_least=15

# Whether version $1 is $2 or newer. Both are dotted numbers; an empty $1 is older than anything.
at_least() {
  [ -n "$1" ] && [ "$(printf '%s\n%s\n' "$2" "$1" | sort -V | head -n 1)" = "$2" ]
}

# The first dotted number in a program's answer to --version, or nothing when the program does not run.
version_of() {
  "$1" --version 2>/dev/null </dev/null | grep -oE '[0-9]+(\.[0-9]+)+' | head -n 1 || true
}
