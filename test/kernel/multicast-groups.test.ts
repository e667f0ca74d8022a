/**
 * A bridge that knows 4096 groups (`mcast_hash_max`) switches multicast snooping off for all its ports. 23 reports of
 * one guest were enough.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { release } from 'node:os';
import test from 'node:test';
import { form } from '../lab/program.ts';
import { type Dom0, obstacle, openDom0 } from './dom0.ts';
import {
  A,
  addressBytes,
  frame,
  groupMac,
  icmp6,
  ip4,
  ip6,
  mldOptions,
  ROUTER_ALERT,
  type Station,
  TYPE,
  V,
} from './frames.ts';
import { GUEST_A, GUEST_V } from './verdict.ts';

const skip = obstacle() || limitObstacle();

function limitObstacle(): string | false {
  const [major = 0, minor = 0] = release().split('.').map(Number);
  const says = (args: string[]): string => String(spawnSync('bridge', args).stderr);
  const why =
    major < 6 || (major === 6 && minor < 3)
      ? 'needs a kernel that limits the groups of a port (6.3)'
      : form() === 'node' && !says(['link', 'help']).includes('mcast_max_groups')
        ? 'needs iproute2 6.3 with the form for Node'
        : false;
  if (why) console.log(`skipped: ${why}`);
  return why;
}

const u16 = (value: number): Buffer => Buffer.from([value >> 8, value & 255]);

/** An IGMPv3 report (RFC 3376 §4.2) that joins groups 239.K.x.y, from the n-th on. */
function igmpReport(from: Station, kind: number, first: number, groups: number): string {
  const records = Array.from({ length: groups }, (_, index) =>
    Buffer.from([4, 0, 0, 0, 239, kind, ...u16(first + index)]),
  );
  const body = Buffer.concat([Buffer.from([0x22, 0, 0, 0, 0, 0]), u16(groups), ...records]);
  const sum = sumOf(body);
  body.writeUInt16BE(sum, 2);
  const packet = ip4({ src: from.ip, dst: '224.0.0.22', protocol: 2, ttl: 1, options: ROUTER_ALERT }, body);
  return frame(groupMac('224.0.0.22'), from.mac, TYPE.ip, packet);
}

/** RFC 1071. */
function sumOf(bytes: Buffer): number {
  let sum = 0;
  for (let at = 0; at < bytes.length; at += 2) sum += bytes.readUInt16BE(at);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >> 16);
  return ~sum & 0xffff;
}

/** An MLDv2 report (RFC 3810 §5.2) that joins groups ff05::K:n. */
function mldReport(kind: number, first: number, groups: number): string {
  const ends = { src: A.local, dst: 'ff02::16', hops: 1 };
  const records = Array.from({ length: groups }, (_, index) =>
    Buffer.concat([Buffer.from([4, 0, 0, 0]), addressBytes(`ff05::${kind}:${(first + index).toString(16)}`)]),
  );
  const body = Buffer.concat([Buffer.from([0, 0]), u16(groups), ...records]);
  const packet = ip6({ ...ends, next: 0 }, mldOptions(icmp6(ends, 143, 0, body)));
  return frame(groupMac('ff02::16'), A.mac, TYPE.ip6, packet);
}

const isSnooping = async ({ ns }: Dom0): Promise<boolean> =>
  (await ns.check(['cat', '/sys/class/net/br0/bridge/multicast_snooping'])).trim() === '1';

async function groupsAt({ ns }: Dom0, port: string): Promise<number> {
  const [shown] = JSON.parse(await ns.check(['bridge', '-j', 'mdb', 'show'])) as { mdb: { port: string }[] }[];
  return (shown?.mdb ?? []).filter((entry) => entry.port === port).length;
}

for (const backend of ['nftables', 'ebtables'] as const) {
  test(`a guest that joins thousands of groups does not end snooping, ${backend}`, { skip }, async (t) => {
    const dom0 = await openDom0(t, { policy: `[defaults]\nbackend = ${backend}\n` });
    await dom0.ns.check(['ip', 'link', 'set', 'br0', 'type', 'bridge', 'mcast_snooping', '1']);
    await dom0.start(GUEST_A);
    await dom0.start(GUEST_V);
    const wire = await dom0.openWire(['guest1.0', 'guest2.0', 'gw0']);
    for (let report = 0; report < 23; report++) await wire.send('guest1.0', igmpReport(A, 1, report * 180, 180));
    assert.equal(await isSnooping(dom0), true, 'after IGMP');
    assert.equal(await groupsAt(dom0, 'vif1.0'), 64);
    if (backend === 'nftables') {
      for (let report = 0; report < 62; report++) await wire.send('guest1.0', mldReport(1, report * 68, 68));
      assert.equal(await isSnooping(dom0), true, 'after MLD');
    }
    // Nobody else has fewer for it.
    await wire.send('guest2.0', igmpReport(V, 2, 0, 10));
    assert.equal(await groupsAt(dom0, 'vif2.0'), 10);
  });
}
