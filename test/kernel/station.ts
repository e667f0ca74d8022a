/** A station with a network of its own, as a guest or another host has it, and programs of Debian's packages in it. */
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { createNamespace, type Namespace } from '../lab/namespace.ts';
import type { Dom0 } from './dom0.ts';

export interface Ran {
  readonly status: number | null;
  readonly output: string;
}

export interface Station {
  readonly ns: Namespace;
  /** A program of the packages (`usr/bin/iperf3`) or of the host (`/usr/bin/curl`), or an applet: `busybox ping`. */
  run(argv: readonly string[], timeoutMs?: number): Promise<Ran>;
  /** A server, until the test ends. @returns what it has written so far */
  serve(argv: readonly string[]): () => string;
  /** The same, of a script of Node's. */
  serveScript(script: string): void;
  script(script: string): Promise<Ran>;
}

export interface StationOptions {
  readonly mac?: string;
  /** With their lengths: `10.0.0.11/24`, `fd00::11/64`. */
  readonly addresses?: readonly string[];
  /** What it says of itself to the kernel: `net.ipv6.conf.all.forwarding=1`. */
  readonly sysctls?: readonly string[];
}

/**
 * Takes a device out of the namespace of dom0 into one of its own.
 *
 * @param root where the packages were unpacked
 */
export async function openStation(
  t: TestContext,
  dom0: Dom0,
  root: string,
  dev: string,
  { mac, addresses = [], sysctls = [] }: StationOptions = {},
): Promise<Station> {
  const ns = await createNamespace(dev);
  t.after(() => ns.remove());
  await dom0.ns.check(['ip', 'link', 'set', dev, 'netns', ns.name]);
  if (sysctls.length > 0) await ns.check(['sysctl', '-qw', ...sysctls]);
  if (mac !== undefined) await ns.check(['ip', 'link', 'set', dev, 'address', mac]);
  // The bench lets nobody speak by itself.
  await ns.check(['ip', 'link', 'set', dev, 'addrgenmode', 'eui64', 'arp', 'on', 'mtu', '1500', 'up']);
  for (const address of addresses) {
    await ns.check(['ip', 'addr', 'replace', address, 'dev', dev, ...(address.includes(':') ? ['nodad'] : [])]);
  }
  const libraries = [`${root}/usr/lib/x86_64-linux-gnu`, `${root}/lib/x86_64-linux-gnu`].join(':');
  const env = { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', HOME: dom0.folder };
  const place = ([name = '', ...rest]: readonly string[]): string[] =>
    name === 'busybox'
      ? [join(root, 'bin/busybox'), ...rest]
      : name.startsWith('/')
        ? [name, ...rest]
        : ['/usr/bin/env', `LD_LIBRARY_PATH=${libraries}`, join(root, name), ...rest];
  const serve = (argv: readonly string[]): (() => string) => {
    const child = ns.spawn(place(argv), { env });
    let said = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream.on('data', (chunk) => {
        said += String(chunk);
      });
    }
    t.after(() => child.kill('SIGKILL'));
    return () => said;
  };
  const made: Station = {
    ns,
    async run(argv, timeoutMs = 20_000) {
      const { status, stdout, stderr } = await ns.run(place(argv), { env, timeoutMs });
      return { status, output: `${stdout}${stderr}` };
    },
    serve,
    serveScript: (script) => {
      serve([process.execPath, '-e', script]);
    },
    script: (script) => made.run([process.execPath, '-e', script]),
  };
  return made;
}
