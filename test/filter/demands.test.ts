/**
 * What holds of every policy, by walking frames through the stages (src/filter/frame-verdict.ts; that the kernel does
 * the same is held by the suites of test/kernel): nobody sends with a MAC that no word gave it, and what only demands
 * lets no frame more through.
 */
import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { type Frame, parseFrame } from '../../src/filter/frame.ts';
import { frameVerdict } from '../../src/filter/frame-verdict.ts';
import { buildPlan, type FilterPlan } from '../../src/filter/plan.ts';
import type { Direction } from '../../src/filter/reasons.ts';
import { type MacAddress, parseMac } from '../../src/net/mac-address.ts';
import { withAddresses } from '../../src/policy/address-change.ts';
import type { HeldPolicy } from '../../src/policy/policy.ts';
import { resolvePolicy } from '../../src/policy/resolve-policy.ts';
import { ATTACKS } from '../kernel/attacks.ts';
import { CORPUS } from '../kernel/corpus.ts';
import { A, G, V, X } from '../kernel/frames.ts';
import { LEGITIMATE } from '../kernel/legitimate.ts';
import { OTHER_WORDS, WORDS } from '../kernel/opt-ins.ts';
import { TOWARD_GUEST } from '../kernel/toward-guest.ts';
import { parsePolicy } from '../policy/effective.ts';
import { vifWith } from './vif.ts';

interface Sent {
  readonly direction: Direction;
  readonly frame: Frame;
  readonly name: string;
}

function sent(direction: Direction, hex: string, name: string): Sent[] {
  const frame = parseFrame(Buffer.from(hex, 'hex'));
  return frame === undefined ? [] : [{ direction, frame, name }];
}

/** All that the kernel's suites send. */
const FRAMES: readonly Sent[] = [...CORPUS, ...ATTACKS, ...LEGITIMATE, ...TOWARD_GUEST, ...OTHER_WORDS].flatMap((one) =>
  sent(one.direction, one.hex, one.name),
);

/** The policy of a guest that has A's addresses, or none; with the gateway's MAC where only addresses are named. */
function planned(text: string, ip: string | undefined): { plan: FilterPlan; policy: HeldPolicy } {
  const vif = vifWith({ mac: A.mac, ip, guest: 'web1' });
  const policy = resolvePolicy(parsePolicy(text, 'f'), { ...vif, bridge: 'xenbr0' }, '2026-01-01T00:00:00.000Z');
  return { plan: buildPlan(withAddresses(vif, policy), policy, ['10.0.0.255'], [parseMac(G.mac, 'f')]), policy };
}

function passes({ terms }: FilterPlan, { direction, frame }: Sent): boolean {
  const port = { terms, learned: [], program: undefined, filter: undefined, ingress: false, stp: false };
  return frameVerdict(direction, port, frame).verdict === 'accept';
}

const line = (key: string, ...values: readonly string[]): fc.Arbitrary<string> =>
  fc.constantFrom(...values).map((value) => `${key} = ${value}`);

/** What may let more through. */
const GRANTS = fc.subarray(
  [
    fc
      .subarray([...WORDS, 'vrrp:51', 'carp:5', 'hsrp:3', 'proxy-arp', 'proxy-nd', 'lldp', 'vlan:10-20'], {
        minLength: 1,
      })
      .map((words) => `allow = ${words.join(' ')}`),
    line('extra_macs', '02:42:ac:11:00:02+4', V.mac),
    line('ip', '10.0.0.11 fd00::11', '10.0.0.0/28 fd00::/64', '10.0.0.11'),
    line('routes', '198.51.100.0/28 2001:db8:9::/56'),
    line('link_local', 'any', 'none', 'eui64'),
    line('shared', A.ip),
    line('hairpin', 'on'),
    line('learn', 'dhcp'),
  ],
  { minLength: 0 },
);
/** What only demands. */
const DEMANDS = fc.oneof(
  line('gateways', G.ip, G.mac, `${G.ip} ${G.ip6} ${G.mac}`, `${X.mac} ${G.mac}`, 'fd00::fe'),
  line('isolated', 'yes'),
  line('flood', 'no'),
  line('no_ip', 'deny'),
  line('mode', 'disabled'),
  line('limit_arp', '1/s burst 1', '10000/s'),
  line('limit_multicast', '1/s burst 1'),
  line('limit_nd', '7/s'),
);
const LINES = GRANTS.chain((all) => fc.tuple(...all));
const GIVEN = fc.constantFrom(undefined, `${A.ip} ${A.ip6}`, A.ip);

/** A frame of the suites with bytes of it changed, or another MAC of somebody in it. */
const CHANGED = fc
  .tuple(
    fc.constantFrom(...FRAMES),
    fc.array(fc.tuple(fc.nat(79), fc.nat(255)), { maxLength: 3 }),
    fc.option(fc.constantFrom(A.mac, V.mac, G.mac, X.mac, '02:42:ac:11:00:03', '00:00:5e:00:01:33')),
  )
  .map(([{ direction, frame, name }, changes, source]): Sent[] => {
    const bytes = Buffer.from(frame.bytes);
    for (const [at, value] of changes) if (at < bytes.length) bytes[at] = value;
    if (source !== null) bytes.set(Buffer.from(source.replaceAll(':', ''), 'hex'), 6);
    return sent(direction, bytes.toString('hex'), name);
  });

const head = (lines: readonly string[]): string => `[guest web1]\n${lines.join('\n')}\n`;

test('a frame with a source MAC that no word gave it passes under no policy that filters', () => {
  const words = fc.record({
    lines: LINES,
    demand: fc.option(DEMANDS),
    ip: GIVEN,
    changed: fc.array(CHANGED, { minLength: 20 }),
  });
  let foreign = 0;
  fc.assert(
    fc.property(words, ({ lines, demand, ip, changed }) => {
      const { plan, policy } = planned(head([...lines, ...(demand === null ? [] : [demand])]), ip);
      const own = new Set<string>([
        A.mac,
        ...policy.extra_macs,
        ...policy.allow.flatMap(({ macs = [] }): readonly MacAddress[] => macs),
      ]);
      const all = [...FRAMES, ...changed.flat()].filter(({ direction }) => direction === 'from-guest');
      for (const one of all) {
        const source = Buffer.from(one.frame.bytes.subarray(6, 12))
          .toString('hex')
          .replace(/..(?!$)/g, '$&:');
        if (own.has(source)) continue;
        foreign += 1;
        assert.equal(passes(plan, one), false, `${one.name} from ${source}`);
      }
    }),
    { numRuns: 60 },
  );
  assert.ok(foreign > 1000);
});

test('what only demands lets no frame more through, whatever else the policy says', () => {
  const words = fc.record({ lines: LINES, demand: DEMANDS, ip: GIVEN, changed: fc.array(CHANGED, { minLength: 20 }) });
  let stopped = 0;
  fc.assert(
    fc.property(words, ({ lines, demand, ip, changed }) => {
      const without = planned(head(lines), ip).plan;
      const withIt = planned(head([...lines, demand]), ip).plan;
      for (const one of [...FRAMES, ...changed.flat()]) {
        const passed = passes(without, one);
        if (passes(withIt, one)) assert.ok(passed, `${one.name}: ${demand}`);
        else if (passed) stopped += 1;
      }
    }),
    { numRuns: 60 },
  );
  // Else it would have compared what never differs.
  assert.ok(stopped > 100);
});
