#!/bin/sh
# What `npm start` and `npm test` need, from nothing: says what it does, does only what is missing.
#
#   sh test/setup.sh demo|test|userlands|bench|race|xen [arguments]
set -eu
cd "$(dirname "$0")/.."

say() { echo "setup: $*" >&2; }

node -e 'const [a, b] = process.versions.node.split(".").map(Number); process.exit(a > 20 || (a === 20 && b >= 17) ? 0 : 1)' || {
  say "Node $(node --version) is too old: 20.17 or later is needed"
  exit 1
}

# npm writes this file last, with what it installed.
installed=node_modules/.package-lock.json
if [ ! -e "$installed" ] || [ package-lock.json -nt "$installed" ]; then
  say "installing the npm packages of package-lock.json"
  npm ci --no-audit --no-fund >&2
fi

bundle=dist/vif-bridge.cjs
if [ ! -e "$bundle" ] || [ -n "$(find src package.json -newer "$bundle" -type f | head -n 1)" ]; then
  say "building $bundle"
  npm run --silent build >&2
fi

# The same program as one executable with its runtime; npm has the runtime for some systems only.
standalone=dist/vif-bridge
runtime=$(find node_modules/@oven node_modules/bun/bin -name 'bun*' -type f -size +1M 2>/dev/null | head -n 1)
# Tests are about it unless something else is said: it is what most packages bring, and starts in a third of the time.
case $1 in
  test | userlands) if [ -z "${VIF_BRIDGE_FORM-}" ] && [ -n "$runtime" ]; then export VIF_BRIDGE_FORM=standalone; fi ;;
esac
if [ "$1" = bench ] || [ "$1" = xen ] || [ "${VIF_BRIDGE_FORM-}" = standalone ]; then
  if [ -z "$runtime" ]; then
    say "npm has no runtime for a standalone executable on this system; going on with Node alone"
  elif [ ! -e "$standalone" ] || [ -n "$(find src package.json -newer "$standalone" -type f | head -n 1)" ]; then
    say "building $standalone"
    npm run --silent build:standalone >&2
  fi
fi

# command:package of Debian. The tests' wire is a small C program. The package `ebtables` would bring the legacy variant
# only, which not every kernel can serve; `iptables` brings ebtables-nft, and makes `ebtables` mean that.
wanted="nft:nftables ip:iproute2 bridge:iproute2 tc:iproute2 ethtool:ethtool flock:util-linux logger:bsdutils curl:curl
  xenstore-ls:xenstore-utils
  ebtables-nft:iptables gcc:gcc dpkg-deb:dpkg"
# Other releases' nft, and a booted Debian; the shells whose completions are tried.
case " $* " in
  " userlands "*) wanted="$wanted debootstrap:debootstrap" ;;
  *" --all "* | *" long"*)
    wanted="$wanted debootstrap:debootstrap systemd-nspawn:systemd-container zsh:zsh fish:fish"
    ;;
esac
missing=
for pair in $wanted; do
  PATH="$PATH:/usr/sbin:/sbin" command -v "${pair%%:*}" >/dev/null || missing="$missing ${pair#*:}"
done
if [ -e /usr/bin/gcc ] && [ ! -e /usr/include/stdio.h ]; then missing="$missing libc6-dev"; fi
if [ -n "$missing" ]; then
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    case $missing in *gcc*) missing="$missing libc6-dev" ;; esac
    say "installing Debian packages:$missing"
    export DEBIAN_FRONTEND=noninteractive
    # shellcheck disable=SC2086 # a list
    apt-get install -y --no-install-recommends $missing >&2 || { apt-get update >&2 && apt-get install -y --no-install-recommends $missing >&2; }
  else
    say "missing Debian packages:$missing (run as root to have them installed); tests that need them are skipped"
  fi
fi

what=$1
shift
case $what in
  demo) exec node --import tsx test/demo/demo.ts "$@" ;;
  test) exec node --import tsx test/run.ts "$@" ;;
  userlands) exec node --import tsx test/userland/run.ts "$@" ;;
  race) exec node --import tsx test/race/demo.ts "$@" ;;
  bench) exec node --import tsx test/bench/bench.ts "$@" ;;
  xen) exec node --import tsx test/xen-host/run.ts "$@" ;;
  *) say "unknown: $what" && exit 2 ;;
esac
