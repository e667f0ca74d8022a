# Runs the tests in the userland of a release of Debian, on the kernel of this machine: its nft, ip, bridge, ebtables,
# shell and xenstore. Everything is mounted in a mount namespace of its own and gone at the end; what the tests write
# goes into memory, so neither the release nor the checkout changes.
#
#   unshare --mount --propagation private sh -eu inside.sh RELEASE-ROOT CHECKOUT EMPTY-FOLDER NODE FORM WORD...
place=$1 checkout=$2 layer=$3 node=$4 form=$5
shift 5
mount -t tmpfs -o size=75% tmpfs "$layer"
for name in root upper work changes changing; do mkdir "$layer/$name"; done
root=$layer/root home=$layer/root/srv/xen-vif-bridge
mount -t overlay overlay -o "lowerdir=$place,upperdir=$layer/upper,workdir=$layer/work" "$root"
mkdir -p "$home"
mount -t overlay overlay -o "lowerdir=$checkout,upperdir=$layer/changes,workdir=$layer/changing" "$home"
# Programs and packages of this machine's release are there; the other one makes its own.
mkdir -p "$home/node_modules/.cache"
mount -t tmpfs tmpfs "$home/node_modules/.cache"
mount --rbind /sys "$root/sys"
mount --rbind /dev "$root/dev"
mount -t proc proc "$root/proc"
for name in run tmp var/tmp; do mount -t tmpfs -o mode=1777 tmpfs "$root/$name"; done
cat /etc/resolv.conf >"$root/etc/resolv.conf"
touch "$root/usr/local/bin/node"
mount --bind "$node" "$root/usr/local/bin/node"
exec chroot "$root" /usr/bin/env -i PATH=/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C \
  VIF_BRIDGE_FORM="$form" sh -euc 'cd /srv/xen-vif-bridge; exec node --import tsx test/run.ts --all "$@"' sh "$@"
