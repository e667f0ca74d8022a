/**
 * The corpus on the kernel's own bridge with ebtables: what ebtables cannot see is exactly what the program says it
 * cannot see, in both directions. No other attack passes, and nothing else is lost.
 */
import assert from 'node:assert/strict';
import test from 'node:test';
import { shortfallsOf } from '../../src/backends/ebtables/gaps.ts';
import { DEFAULT_GAPS, POSSIBLE_GAPS } from '../../src/filter/reasons.ts';
import { ATTACKS } from '../kernel/attacks.ts';
import { CORPUS_AS_PROPOSED as CORPUS } from '../kernel/corpus.ts';
import { obstacle, openDom0 } from '../kernel/dom0.ts';
import { A, frame, groupMac, igmp, ip4, TYPE } from '../kernel/frames.ts';
import { OWN_ERRORS } from '../kernel/icmp-errors.ts';
import { LEGITIMATE } from '../kernel/legitimate.ts';
import { OWN_ADDRESS_OF_OTHERS } from '../kernel/own-address.ts';
import { TOWARD_GUEST } from '../kernel/toward-guest.ts';
import { GUEST_A, GUEST_V, judge, type TestFrame, type Verdict } from '../kernel/verdict.ts';

const DHCP = ['dhcp-form', 'dhcp-chaddr', 'dhcp-foreign'];
const IPV6 = 'ip6-form ip6-ext nd-ext nd-form nd-lla nd-target mld-form dhcp6-form'.split(' ');

/** Legitimate IPv6 of the corpus. */
const LOST_IPV6 = 'L18b L19 L21 L22 L24 L25 L26 L27 L28 L28c L30 L33 L35 R11 R12 R13 R18 R22'.split(' ');

interface Case {
  readonly title: string;
  readonly gaps: readonly string[];
  /** Attacks of the corpus that pass. */
  readonly leaks: readonly string[];
  /** Legitimate frames of the corpus that are dropped. */
  readonly lost: readonly string[];
}

const CASES: readonly Case[] = [
  {
    title: 'by default IPv4 works, DHCP, ICMP errors and IPv6 are closed',
    gaps: DEFAULT_GAPS,
    leaks: ['I07', 'I09'],
    lost: ['X34', 'L12', 'L13', ...LOST_IPV6],
  },
  {
    title: 'with the gaps of DHCP, ICMP errors and IPv6 accepted, all but later fragments of IPv6 works',
    gaps: [...DEFAULT_GAPS, ...DHCP, 'icmp-quote', ...IPV6],
    leaks: 'I07 I09 I15 I17 X10 X11 X12 X13 X14 X18 X24 X25 X33 T04'.split(' '),
    lost: ['L28c'],
  },
];

/** The first half of a report. */
const FRAGMENTED_IGMP: TestFrame = {
  name: 'the first fragment of an IGMP report',
  sender: 'A',
  direction: 'from-guest',
  expect: 'drop',
  reason: 'igmp-type',
  hex: frame(
    groupMac('239.1.1.1'),
    A.mac,
    TYPE.ip,
    ip4({ src: A.ip, dst: '239.1.1.1', protocol: 2, ttl: 1, more: true }, igmp(0x16, '239.1.1.1')),
  ),
};

const skip = obstacle();

async function verdicts(
  t: test.TestContext,
  gaps: readonly string[],
  frames: readonly TestFrame[],
): Promise<Map<TestFrame, Verdict>> {
  const list = gaps.length === 0 ? 'none' : gaps.join(' ');
  const dom0 = await openDom0(t, { policy: `[defaults]\nbackend = ebtables\nebtables_gaps = ${list}\n` });
  await dom0.start(GUEST_A);
  await dom0.start(GUEST_V);
  return judge(dom0, frames);
}

function arrived(frame: TestFrame, verdict: Verdict | undefined): boolean {
  assert.ok(verdict);
  return frame.direction === 'to-guest' ? verdict.arrived.includes('A') : verdict.arrived.length > 0;
}

function reasonsOf(gaps: readonly string[], handling: 'accepted' | 'closed'): Set<string> {
  return new Set(
    shortfallsOf(gaps)
      .filter((one) => one.handling === handling)
      .flatMap((one) => one.reasons),
  );
}

/** What an attack is counted as, where that is not its own reason: it is closed before its own check. */
const idOf = (frame: TestFrame): string => frame.name.split(' ')[0] ?? '';

for (const { title, gaps, leaks, lost } of CASES) {
  test(title, { skip }, async (t) => {
    const seen = await verdicts(t, gaps, CORPUS);
    const accepted = reasonsOf(gaps, 'accepted');
    const passing = CORPUS.filter((one) => one.expect === 'drop' && arrived(one, seen.get(one)));
    const dropped = CORPUS.filter((one) => one.expect === 'pass' && !arrived(one, seen.get(one)));

    await t.test('the attacks that pass are exactly those', () => assert.deepEqual(passing.map(idOf), leaks));
    await t.test('each of them is of a reason that the program says it may miss', () => {
      assert.deepEqual(
        passing.filter((one) => one.reason === undefined || !accepted.has(one.reason)).map((one) => one.name),
        [],
      );
    });
    await t.test('the legitimate frames that are lost are exactly those', () =>
      assert.deepEqual(dropped.map(idOf), lost),
    );
    await t.test('each of them is dropped for a reason that the program says is closed', async (t) => {
      const closed = reasonsOf(gaps, 'closed');
      const again = dropped.map((one): TestFrame => ({ ...one, expect: 'drop', reason: closedReason(one, closed) }));
      const verdict = await verdicts(t, gaps, again);
      assert.deepEqual(
        again
          .filter((one) => (verdict.get(one)?.counted ?? 0) === 0)
          .map((one) => `${one.name} not counted as ${one.reason}`),
        [],
      );
    });
    await t.test('no address moves in the bridge', () => {
      assert.deepEqual(
        CORPUS.filter((one) => (seen.get(one)?.moved.length ?? 0) > 0).map((one) => one.name),
        [],
      );
    });
  });
}

const isIcmp = ({ hex }: TestFrame): boolean => hex.slice(24, 28) === '0800' && hex.slice(46, 48) === '01';

/** Which of the closed reasons it must be: by what the frame is. */
function closedReason(frame: TestFrame, closed: ReadonlySet<string>): string {
  const ipv6 = frame.hex.slice(24, 28) === '86dd';
  const candidates = ipv6
    ? ['ip6-form', 'ip6-ext']
    : frame.direction === 'to-guest'
      ? ['dhcp-foreign']
      : [isIcmp(frame) ? 'icmp-quote' : 'dhcp-form'];
  const reason = candidates.find((one) => closed.has(one));
  assert.ok(reason, `${frame.name}: none of ${candidates.join(', ')} is said to be closed`);
  return reason;
}

test('without any gap no IPv4 and no IPv6 passes, ARP does', { skip }, async (t) => {
  const seen = await verdicts(t, [], CORPUS);
  const passed = CORPUS.filter((one) => arrived(one, seen.get(one)));
  assert.deepEqual([...new Set(passed.map((one) => one.hex.slice(24, 28)))].sort(), ['0806', '8035']);
  assert.deepEqual(
    passed.filter((one) => one.expect === 'drop').map((one) => one.name),
    [],
  );
});

test('of all attacks only those pass whose reason may be missed by default', { skip }, async (t) => {
  const attacks = [...ATTACKS, FRAGMENTED_IGMP, ...TOWARD_GUEST, ...OWN_ADDRESS_OF_OTHERS].filter(
    (one) => one.expect === 'drop',
  );
  const seen = await verdicts(t, DEFAULT_GAPS, attacks);
  const accepted = reasonsOf(DEFAULT_GAPS, 'accepted');
  const passed = attacks.filter((one) => arrived(one, seen.get(one)));
  assert.deepEqual(
    passed.filter((one) => !accepted.has(one.reason ?? '')).map((one) => `${one.name} (${one.reason})`),
    [],
  );
  // Both directions: a reason that is said to be accepted without an attack that passes would be said for nothing.
  assert.deepEqual(
    [...accepted].filter((reason) => !passed.some((one) => one.reason === reason)),
    [],
  );
});

test('of all legitimate traffic only DHCP, ICMP errors and IPv6 are lost by default', { skip }, async (t) => {
  const legitimate = [...LEGITIMATE, ...TOWARD_GUEST].filter((one) => one.expect === 'pass');
  const seen = await verdicts(t, DEFAULT_GAPS, legitimate);
  const lost = legitimate.filter((one) => !arrived(one, seen.get(one)));
  const isDhcp = (one: TestFrame): boolean =>
    /0800/.test(one.hex.slice(24, 28)) && /^(00440043|00430044)/.test(one.hex.slice(68));
  assert.deepEqual(
    lost
      .filter((one) => one.hex.slice(24, 28) !== '86dd' && !isDhcp(one) && !OWN_ERRORS.includes(one))
      .map((one) => one.name),
    [],
  );
});

test('with all gaps accepted nothing legitimate is lost', { skip }, async (t) => {
  const seen = await verdicts(t, POSSIBLE_GAPS, LEGITIMATE);
  assert.deepEqual(
    LEGITIMATE.filter((one) => !arrived(one, seen.get(one))).map((one) => one.name),
    [],
  );
});
