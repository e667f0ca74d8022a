/**
 * Guests that are configured with what `guest-config` prints, on the real kernel, behind the real filter: every address
 * is reached from the guest's own network and from far away, over IPv4 and IPv6. With three NICs and no more than their
 * addresses it is one of three.
 */
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Dom0, obstacle, openDom0 } from '../kernel/dom0.ts';
import { FORWARDING, openNearAndFar } from '../kernel/near-and-far.ts';
import { createNamespace, type Namespace } from '../lab/namespace.ts';
import { startNetworkd } from '../lab/networkd.ts';
import { unpacked } from './programs.ts';

const skip = obstacle();
const MACS = ['00:16:3e:00:07:00', '00:16:3e:00:07:01', '00:16:3e:00:07:02'];
const IPV4 = ['10.0.0.5', '10.0.0.6', '10.0.0.7'];
const IPV6 = ['fd00::5', 'fd00::6', 'fd00::7'];
const GATEWAYS = ['--gateway', '10.0.0.1', '--gateway', 'fd00::1'];

/** A bridge whose host routes for it, a station on it, and one behind that host. */
interface Site {
  readonly dom0: Dom0;
  readonly near: Namespace;
  readonly far: Namespace;
}

async function openSite(t: TestContext): Promise<Site> {
  const dom0 = await openDom0(t);
  return { dom0, ...(await openNearAndFar(t, dom0, { dom0: FORWARDING })) };
}

/** A guest with a NIC for each list of addresses, each on the bridge by the real `online`. It is told nothing yet. */
async function startGuest(t: TestContext, { dom0 }: Site, lists: readonly string[]): Promise<Namespace> {
  const guest = await createNamespace('guest');
  t.after(() => guest.remove());
  for (const [devid, ip] of lists.entries()) {
    await dom0.start({ domid: 7, devid, mac: MACS[devid] ?? '', ip, name: 'web' });
    const nic = `guest7.${devid}`;
    await dom0.ns.check(['ip', 'link', 'set', nic, 'netns', guest.name]);
    await guest.check(['sh', '-e'], {
      input: [
        `ip link set ${nic} name eth${devid} address ${MACS[devid]} mtu 1500 arp on addrgenmode eui64`,
        `echo 0 >/proc/sys/net/ipv6/conf/eth${devid}/disable_ipv6`,
      ].join('\n'),
    });
  }
  return guest;
}

async function configOf({ dom0 }: Site, format: string): Promise<string> {
  const { status, stdout, stderr } = await dom0.admin(['guest-config', 'web', '--format', format, ...GATEWAYS]);
  assert.equal(status, 0, stderr);
  return stdout;
}

/** Addresses that answer a station. */
async function reached(t: TestContext, from: Namespace, addresses: readonly string[]): Promise<string[]> {
  const found = await unpacked('busybox');
  if (typeof found === 'string') {
    t.skip(found);
    return [...addresses];
  }
  const busybox = join(found.root, 'bin/busybox');
  const answered = await Promise.all(
    addresses.map(async (address) => {
      const ping = address.includes(':') ? 'ping6' : 'ping';
      return (await from.run([busybox, ping, '-c', '3', '-W', '1', address])).status === 0;
    }),
  );
  return addresses.filter((_, at) => answered[at]);
}

/** By how the guest is told. */
const WAYS: Readonly<Record<string, (t: TestContext, site: Site, guest: Namespace) => Promise<string | undefined>>> = {
  async ip(_, site, guest) {
    await guest.check(['sh', '-e'], { input: await configOf(site, 'ip') });
    return undefined;
  },
  async ifupdown(t, site, guest) {
    const found = await unpacked('ifupdown');
    if (typeof found === 'string') return found;
    const folder = mkdtempSync(join(tmpdir(), 'xvb-ifupdown-'));
    t.after(() => rmSync(folder, { recursive: true, force: true }));
    const file = join(folder, 'interfaces');
    writeFileSync(file, await configOf(site, 'ifupdown'));
    mkdirSync(join(folder, 'run'));
    // Its scripts of /etc/network are those of the host, which are none of a guest's.
    const ifup = [
      join(found.root, 'sbin/ifup'),
      '-a',
      `--interfaces=${file}`,
      `--state-dir=${folder}/run`,
      '--ignore-errors',
    ];
    const hidden = `mount -t tmpfs tmpfs /run && mkdir -p /run/network && exec "$@"`;
    await guest.check(['unshare', '--mount', 'sh', '-c', hidden, 'sh', ...ifup], { env: found.env });
    return undefined;
  },
  async networkd(t, site, guest) {
    const parts = (await configOf(site, 'networkd'))
      .split(/^(?=# \/etc\/)/m)
      .filter((part) => part.startsWith('# /etc/'));
    const files = Object.fromEntries(
      parts.map((part) => [/([^/]+)$/m.exec(part.split('\n')[0] ?? '')?.[1] ?? '', part]),
    );
    const networkd = await startNetworkd(guest, files);
    t.after(() => networkd.stop());
    return undefined;
  },
};

/** Duplicate address detection, and what runs as a daemon, take their time. */
async function settled(guest: Namespace, addresses: readonly string[]): Promise<void> {
  for (const end = Date.now() + 15_000; Date.now() < end; await sleep(100)) {
    const text = await guest.check(['ip', '-o', 'addr']);
    const has = (address: string): boolean => text.includes(` ${address}/`);
    if (addresses.every(has) && !/tentative/.test(text)) return;
  }
  throw new Error(`not configured: ${await guest.check(['ip', '-o', 'addr'])}`);
}

for (const [way, tell] of Object.entries(WAYS)) {
  const all = [...IPV4, ...IPV6];
  const guests: readonly { readonly what: string; readonly lists: readonly string[] }[] = [
    { what: 'three addresses of each family on one NIC', lists: [all.join(' ')] },
    { what: 'three NICs with one address of each family', lists: IPV4.map((one, at) => `${one} ${IPV6[at]}`) },
    { what: 'three NICs with their netmasks', lists: IPV4.map((one, at) => `${one}/24 ${IPV6[at]}/64`) },
  ];
  for (const { what, lists } of guests) {
    test(`all answer, near and far, when a guest is told by ${way}: ${what}`, { skip }, async (t) => {
      const site = await openSite(t);
      const guest = await startGuest(t, site, lists);
      const why = await tell(t, site, guest);
      if (why !== undefined) return t.skip(why);
      await settled(guest, all);
      assert.deepEqual(await reached(t, site.near, all), all);
      assert.deepEqual(await reached(t, site.far, all), all);
      const ports = await site.dom0.status();
      const spoofed = ports.flatMap(({ drops }) => drops).filter(({ reason }) => /^ip6?-src$/.test(reason));
      assert.deepEqual(spoofed, []);
    });
  }
}

test('without it, one of three answers from far away', { skip }, async (t) => {
  const site = await openSite(t);
  const guest = await startGuest(
    t,
    site,
    IPV4.map((one) => `${one}/24`),
  );
  await guest.check(['sh', '-e'], {
    input: IPV4.map((one, at) => `ip link set eth${at} up\nip addr add ${one}/24 dev eth${at}`)
      .concat('ip route add default via 10.0.0.1')
      .join('\n'),
  });
  assert.equal((await reached(t, site.far, IPV4)).length, 1);
});
