/**
 * The walk of a frame without a kernel: the whole corpus, by verdict and reason. That the kernel does the same is held
 * by every suite of test/kernel (test/kernel/explained.ts).
 */
import assert from 'node:assert/strict';
import test from 'node:test';
import { mayBeAnswer } from '../../src/filter/answers.ts';
import { parseFrame } from '../../src/filter/frame.ts';
import { frameText } from '../../src/filter/frame-text.ts';
import { type FrameVerdict, frameVerdict, type JudgedPort } from '../../src/filter/frame-verdict.ts';
import { optInTerms } from '../../src/filter/opt-ins.ts';
import { DENIED_TERMS, OPEN_TERMS, type OwnTerms, observedTerms } from '../../src/filter/own-terms.ts';
import type { Direction } from '../../src/filter/reasons.ts';
import { parseFilter } from '../../src/nwfilter/document.ts';
import { filterProgram } from '../../src/nwfilter/program.ts';
import { variablesOf } from '../../src/policy/filter-source.ts';
import type { ChainProgram } from '../../src/rules/chain-program.ts';
import { parseRule } from '../../src/rules/parse-rule.ts';
import { joinLists, type RuleProgram } from '../../src/rules/program.ts';
import { CORPUS } from '../kernel/corpus.ts';
import { A, ALL, arp, dhcp, frame, G, icmp, ip4, TYPE, tcp, udp } from '../kernel/frames.ts';
import { planFor } from './vif.ts';

// The bridge of the corpus is in 10.0.0.0/24.
const { terms: TERMS } = planFor({ mac: A.mac, ip: `${A.ip} ${A.ip6}` }, 'mac-only', ['10.0.0.255']);

function judged(hex: string, more: Partial<JudgedPort> = {}, direction: Direction = 'from-guest'): FrameVerdict {
  const parsed = parseFrame(Buffer.from(hex, 'hex'));
  assert.ok(parsed);
  const port = {
    terms: TERMS,
    learned: [],
    program: undefined,
    filter: undefined,
    ingress: false,
    stp: false,
    ...more,
  };
  return frameVerdict(direction, port, parsed);
}

function ofTerms(terms: OwnTerms): Partial<JudgedPort> {
  return { terms };
}

test('every frame of the corpus at the port of guest A', () => {
  const wrong = CORPUS.filter(({ sender, direction }) => sender === 'A' || direction === 'to-guest').flatMap((one) => {
    const { verdict, reason } = judged(one.hex, {}, one.direction);
    // What another guest may not send does not come so far.
    if (one.sender === 'V' && verdict === 'accept') return [];
    const expected = one.expect === 'pass' ? 'accept' : 'drop';
    const same = verdict === expected && (one.reason === undefined || one.reason === reason || one.sender === 'V');
    return same ? [] : [`${one.name}: ${verdict} ${reason}`];
  });
  assert.deepEqual(wrong, []);
  assert.ok(CORPUS.length > 100);
});

test('every frame of the corpus has one line of ASCII', () => {
  for (const { hex } of CORPUS) {
    const parsed = parseFrame(Buffer.from(hex, 'hex'));
    assert.ok(parsed);
    assert.match(frameText(parsed), /^[\x20-\x7e]+$/);
  }
});

const packet = frame(G.mac, A.mac, TYPE.ip, ip4({ src: A.ip, dst: G.ip }, udp(9, 9)));
const forged = frame(G.mac, A.mac, TYPE.ip, ip4({ src: '203.0.113.9', dst: G.ip }, udp(9, 9)));
const outcome = ({ verdict, reason, stage }: FrameVerdict): unknown => [verdict, reason, stage];

test('who is open, denied or observed', () => {
  assert.deepEqual(outcome(judged(forged, ofTerms(OPEN_TERMS))), ['accept', undefined, 'stranger']);
  assert.deepEqual(outcome(judged(packet, ofTerms(DENIED_TERMS))), ['drop', 'no-address', 'stranger']);
  assert.deepEqual(outcome(judged(forged, ofTerms(observedTerms(TERMS)))), ['accept', 'ip-src', 'ip/own']);
});

test('what an opt-in opens', () => {
  const { flags } = optInTerms([{ text: 'vrrp', flags: ['vrrp'] }]);
  const vrrp = frame('01:00:5e:00:00:12', A.mac, TYPE.ip, ip4({ dst: '224.0.0.18', protocol: 112 }, Buffer.alloc(20)));
  assert.deepEqual(outcome(judged(vrrp)), ['drop', 'fhrp', 'ip/vrrp']);
  const opened = judged(vrrp, ofTerms({ ...TERMS, flags: [...TERMS.flags, ...flags] }));
  assert.deepEqual(outcome(opened), ['accept', undefined, 'ip/own']);
});

test('what was learned is its own, until it gives it back', () => {
  const learned = ['203.0.113.9'];
  assert.equal(judged(forged, { learned }).verdict, 'accept');
  const release = dhcp({ message: 7, ciaddr: '203.0.113.9' });
  const hex = frame(G.mac, A.mac, TYPE.ip, ip4({ src: '203.0.113.9', dst: G.ip }, udp(68, 67, release)));
  assert.deepEqual(outcome(judged(hex, { learned })), ['accept', undefined, 'dhcp/address']);
  assert.deepEqual(outcome(judged(hex)), ['drop', 'dhcp-chaddr', 'dhcp/address']);
});

test('before any stage: groups of the link, what the bridge drops itself, the chain at the device', () => {
  const to = (last: string, type = 0x88cc): string => frame(`01:80:c2:00:00:${last}`, A.mac, type, '00'.repeat(46));
  assert.deepEqual(outcome(judged(to('02'))), ['drop', 'link-local', 'link-local']);
  assert.deepEqual(outcome(judged(to('00'))), ['drop', 'ethertype', 'start'], 'without STP a frame as any other');
  assert.deepEqual(outcome(judged(to('00'), { stp: true })), ['drop', 'link-local', 'link-local']);
  assert.deepEqual(outcome(judged(to('00'), { ingress: true })), ['drop', 'link-local', 'device']);
  assert.deepEqual(outcome(judged(to('01'))), ['drop', undefined, 'bridge']);
  assert.deepEqual(outcome(judged(to('0e'))), ['drop', undefined, 'bridge']);
  assert.deepEqual(outcome(judged(frame(G.mac, ALL, TYPE.ip, ''))), ['drop', undefined, 'bridge']);
  assert.deepEqual(outcome(judged(frame(G.mac, A.mac, TYPE.vlan, '0005'))), ['drop', undefined, 'kernel']);
});

test('a limit that it is counted against is told, and counts as kept', () => {
  const asks = frame(ALL, A.mac, TYPE.arp, arp({ tpa: G.ip }));
  const found = judged(asks);
  assert.deepEqual(
    [found.verdict, found.limits, found.way],
    ['accept', ['arp'], ['start', 'arp', 'arp/whole', 'arp/limit']],
  );
});

function programOf(text: string): RuleProgram {
  const rules = text.split('\n').map((line, at) => {
    const read = parseRule(line, new Map(), { file: 'x.ini', line: at + 1 });
    assert.ok('rule' in read, line);
    return read.rule;
  });
  return joinLists([{ name: 'one', rules }]);
}

test('its own rules are asked about what is its own, and only about that', () => {
  const program = programOf('in allow tcp 80\nin drop\nout allow udp 9\nout reject udp\nout drop');
  const send = (payload: Buffer, protocol: number, src = A.ip): FrameVerdict =>
    judged(frame(G.mac, A.mac, TYPE.ip, ip4({ src, dst: G.ip, protocol }, payload)), { program });
  const line = ({ verdict, reason, rule }: FrameVerdict): unknown => [verdict, reason, rule?.at.line];
  assert.deepEqual(line(send(udp(9, 9), 17)), ['accept', undefined, 3]);
  assert.deepEqual(line(send(udp(9, 10), 17)), ['drop', 'rule', 4]);
  assert.deepEqual(line(send(tcp(1, 2), 6)), ['drop', 'rule', 5]);
  assert.deepEqual(line(send(tcp(80, 5000, 0x10), 6)), ['accept', undefined, 1], 'it goes on from an open port');
  assert.deepEqual(line(send(tcp(80, 5000), 6)), ['drop', 'rule', 5]);
  assert.deepEqual(line(send(udp(9, 9), 17, '203.0.113.9')), ['drop', 'ip-src', undefined]);
  const asks = frame(ALL, A.mac, TYPE.arp, arp({ tpa: G.ip }));
  assert.deepEqual(line(judged(asks, { program })), ['accept', undefined, undefined]);
});

function filterOf(...rules: readonly string[]): ChainProgram {
  const read = parseFilter(`<filter name='web'>\n${rules.join('\n')}\n</filter>`, 'web.xml');
  assert.ok('filter' in read);
  const guest = { mac: A.mac, ip: [A.ip], ip6: [A.ip6], learns: false };
  return filterProgram('web', () => read.filter, variablesOf(new Map(), guest));
}

const told = ({ verdict, reason, stage, rule }: FrameVerdict): unknown => [verdict, reason, stage, rule?.at.line];

test('its filter of libvirt is asked about what passes all else, and names its rule', () => {
  const filter = filterOf(
    "<rule action='drop' direction='out' priority='-10'><arp opcode='Reply' gratuitous='true'/></rule>",
    "<rule action='accept' direction='out'><udp dstportstart='9'/></rule>",
    "<rule action='accept' direction='in'><tcp dstportstart='80'/></rule>",
    "<rule action='drop' direction='inout' priority='1000'><all/></rule>",
  );
  const of = (payload: Buffer, protocol: number, more: Parameters<typeof ip4>[0] = {}): FrameVerdict =>
    judged(frame(G.mac, A.mac, TYPE.ip, ip4({ src: A.ip, dst: G.ip, protocol, ...more }, payload)), { filter });
  assert.deepEqual(told(of(udp(9, 9), 17)), ['accept', undefined, 'nwfilter', 3]);
  assert.deepEqual(told(of(udp(9, 10), 17)), ['drop', 'rule', 'nwfilter', 5]);
  assert.equal(of(udp(9, 10), 17).rule?.filter, 'web');
  assert.deepEqual(told(of(tcp(80, 5000), 6)), ['drop', 'rule', 'nwfilter', 5], 'an answer that nobody asked for');
  const forgery = frame(G.mac, A.mac, TYPE.ip, ip4({ src: G.ip, dst: G.ip }, udp(9, 9)));
  assert.deepEqual(told(judged(forgery, { filter })), ['drop', 'ip-src', 'ip/own', undefined]);
  const later = of(Buffer.alloc(16), 17, { id: 7, offset: 3 });
  assert.deepEqual(told(later), ['drop', 'rule', 'nwfilter', undefined]);
  assert.match(later.why ?? '', /a later fragment/);
  const announces = frame(ALL, A.mac, TYPE.arp, arp({ op: 2, spa: A.ip, tpa: A.ip }));
  assert.deepEqual(told(judged(announces, { filter })), ['drop', 'rule', 'nwfilter', 2]);
  assert.deepEqual(told(judged(announces, { filter: undefined })), ['accept', undefined, 'arp/limit', undefined]);
  const observed = judged(frame(G.mac, A.mac, TYPE.ip, ip4({ src: A.ip, dst: G.ip }, udp(9, 10))), {
    filter,
    ...ofTerms(observedTerms(TERMS)),
  });
  assert.deepEqual(told(observed), ['accept', 'rule', 'nwfilter', 5]);
});

test('rules are asked first, and what they drop the filter does not see', () => {
  const program = programOf('out allow udp 9-10\nout drop');
  const filter = filterOf("<rule action='drop' direction='out'><udp dstportstart='10'/></rule>");
  const of = (port: number): unknown =>
    told(judged(frame(G.mac, A.mac, TYPE.ip, ip4({ src: A.ip, dst: G.ip }, udp(9, port))), { program, filter }));
  assert.deepEqual(of(9), ['accept', undefined, 'rules', 1]);
  assert.deepEqual(of(10), ['drop', 'rule', 'nwfilter', 2]);
  assert.deepEqual(of(11), ['drop', 'rule', 'rules', 2]);
});

test('what is dropped as a first packet, and may be an answer', () => {
  const program = programOf('in allow tcp 80\nin allow udp 53\nin allow icmp echo-request\nin drop\nout drop');
  const may = (payload: Buffer, protocol: number, more: Partial<JudgedPort> = { program }): boolean => {
    const parsed = parseFrame(
      Buffer.from(frame(G.mac, A.mac, TYPE.ip, ip4({ src: A.ip, dst: G.ip, protocol }, payload)), 'hex'),
    );
    assert.ok(parsed);
    const port = { terms: TERMS, learned: [], program: undefined, filter: undefined, ingress: false, stp: false };
    return mayBeAnswer({ ...port, ...more }, 'from-guest', parsed);
  };
  assert.equal(may(udp(53, 4000), 17), true);
  assert.equal(may(udp(4000, 53), 17), false, 'nobody may begin this from outside');
  assert.equal(may(tcp(80, 4000, 0x12), 6), true);
  assert.equal(may(tcp(80, 4000, 0x02), 6), false, 'it begins');
  assert.equal(may(icmp(0, 0, '00010001'), 1), true);
  assert.equal(may(icmp(8, 0, '00010001'), 1), false, 'a question');
  assert.equal(may(icmp(3, 1, '00000000'), 1), true, 'an error about something');
  const filter = filterOf(
    "<rule action='accept' direction='in'><udp dstportstart='53'/></rule>",
    "<rule action='drop' direction='inout' priority='1000'><all/></rule>",
  );
  assert.equal(may(udp(53, 4000), 17, { filter }), true);
  assert.equal(may(udp(54, 4000), 17, { filter }), false);
  const stateless = filterOf("<rule action='drop' direction='out' statematch='false'><udp/></rule>");
  assert.equal(may(udp(53, 4000), 17, { filter: stateless }), false, 'it keeps no conversation in mind');
});
