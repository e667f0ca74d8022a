#!/bin/sh
# What npm does after it has installed: builds the bundle, if what builds it was installed (not with --omit=dev). The
# bundle has all that it needs inside, so one that was built elsewhere will do.
set -eu
if command -v tsx >/dev/null && command -v esbuild >/dev/null; then exec npm run build; fi
if [ -s dist/vif-bridge.cjs ]; then
  echo "xen-vif-bridge: nothing is built without the development packages; dist stays as it is" >&2
else
  echo "xen-vif-bridge: NOT BUILT, and cannot run: without the development packages (--omit=dev, NODE_ENV=production)" >&2
  echo "xen-vif-bridge: run npm ci with them, or copy dist/ from where it was built" >&2
fi
