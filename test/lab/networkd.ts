import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ifKnown, unpackPackages } from './debian-packages.ts';
import type { Namespace } from './namespace.ts';

/** Debian's systemd-networkd, at work in a namespace. */
export interface Networkd {
  /** Ends it; what it has done stays. */
  stop(): Promise<void>;
}

/**
 * Starts systemd-networkd in a namespace, without systemd, udev or D-Bus: with /sys read-only it takes the namespace
 * for a container, where it waits for no udev (systemd.exec: path_is_read_only_fs in src/libsystemd/sd-device).
 *
 * @param files the .network files, by name
 */
export async function startNetworkd(ns: Namespace, files: Readonly<Record<string, string>>): Promise<Networkd> {
  const root = await unpacked();
  const folder = mkdtempSync(join(tmpdir(), 'xvb-networkd-'));
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text);
  const multiarch = readdirSync(join(root, 'usr/lib')).find((name) => name.includes('-linux-gnu')) ?? '';
  const script = [
    'set -e',
    'mount -o remount,ro /sys',
    'mount -t tmpfs -o mode=755 tmpfs /run',
    'mkdir -p /run/systemd/network /run/systemd/netif/links /run/systemd/netif/leases /run/systemd/netif/lldp',
    `cp ${folder}/* /run/systemd/network/`,
    // A machine without systemd has not the user that networkd becomes.
    ...['passwd', 'group'].map(userIn),
    'chown -R systemd-network:systemd-network /run/systemd/netif',
    `exec ${root}/lib/systemd/systemd-networkd`,
  ].join('\n');
  const child = ns.spawn(['unshare', '--mount', '--propagation', 'private', 'sh', '-c', script], {
    env: {
      PATH: '/usr/sbin:/usr/bin:/sbin:/bin',
      LD_LIBRARY_PATH: join(root, 'usr/lib', multiarch, 'systemd'),
      SYSTEMD_LOG_TARGET: 'console',
      // Later than 252 (trixie: 257) says less of its start.
      SYSTEMD_LOG_LEVEL: 'debug',
    },
  });
  let said = '';
  child.stderr.on('data', (data: Buffer) => {
    said += data.toString();
  });
  child.stdout.resume();
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  let running = true;
  void ended.then(() => {
    running = false;
  });
  const enumerated = async (): Promise<void> => {
    for (let waited = 0; !/Enumeration completed/.test(said); waited += 50) {
      if (!running || waited > 20_000) throw new Error(`systemd-networkd did not start: ${said}`);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  };
  await enumerated();
  return {
    async stop() {
      child.kill('SIGTERM');
      await ended;
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** A line of the shell's that adds it to what this mount namespace sees. */
function userIn(base: string): string {
  const line = base === 'passwd' ? 'systemd-network:x:998:998::/:/usr/sbin/nologin' : 'systemd-network:x:998:';
  const copy = `/run/${base}`;
  return `getent ${base} systemd-network >/dev/null || { { cat /etc/${base}; echo '${line}'; } >${copy}; mount --bind ${copy} /etc/${base}; }`;
}

/** Since Debian 13 it is in a package of its own. */
async function unpacked(): Promise<string> {
  const packages = ['systemd', 'libsystemd-shared', ...(await ifKnown('systemd-networkd'))];
  return unpackPackages(packages, 'systemd-packages');
}
