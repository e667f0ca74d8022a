/**
 * What a hook of `vif-post.d` finds: it is sourced by bash, as by Xen's own scripts (xen-hotplug-common.sh:
 * call_hooks), with their variables and functions. Those are written here anew, because Xen's files do more than define
 * them when they are sourced: they report to xenstore, and end where a log cannot be opened.
 *
 * The first argument is the hook; variables come by the environment and are not handed on. What it prints goes where
 * Xen's scripts send it; why it failed goes to descriptor 3.
 */
export const HOOK_SHELL = String.raw`
set -e
export -n command dev vif INTERFACE bridge ip type_if netdev script dir
hook=$1
exec >/dev/null 2>&1
if [ -w /var/log/xen ]; then exec 2>>/var/log/xen/xen-hotplug.log; fi
log() { local level="$1"; shift; logger -t "$script" -p "daemon.$level" -- "$*" || echo "$*" >&2; }
fatal() { log err "$@"; printf '%s\n' "$*" >&3; trap - EXIT; exit 1; }
success() { :; }
do_or_die() { "$@" || fatal "$* failed"; }
do_without_error() { "$@" 2>/dev/null || log debug "$* failed"; }
xenstore_read() { local v; v=$(xenstore-read "$@") || fatal "xenstore-read $* failed."; [ "$v" ] || fatal "xenstore-read $* failed."; echo "$v"; }
xenstore_read_default() { xenstore-read "$1" 2>/dev/null || echo "$2"; }
xenstore_write() { log debug "Writing $*"; xenstore-write "$@" || fatal "Writing $* to xenstore failed."; }
claim_lock() {
  mkdir -p /var/run/xen-hotplug
  local file=/var/run/xen-hotplug/$1 fd
  while :; do
    exec {fd}<>"$file"
    flock -x "$fd"
    [ "$(stat -L -c %D.%i "/proc/$$/fd/$fd")" = "$(stat -c %D.%i "$file" 2>/dev/null)" ] && break
    exec {fd}>&-
  done
  eval "_lock_$1=$fd"
}
release_lock() { local fd; eval "fd=\$_lock_$1"; rm -f "/var/run/xen-hotplug/$1"; exec {fd}>&-; }
iptables_w() { iptables -w "$@"; }
add_to_bridge() { ip link set dev "$2" master "$1"; ip link set dev "$2" up; }
remove_from_bridge() { do_without_error ip link set dev "$2" nomaster; }
trap 'status=$?; if [ "$status" != 0 ]; then printf "%s\n" "ended with status $status" >&3; fi' EXIT
shift
. "$hook"
`;
