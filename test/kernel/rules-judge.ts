/**
 * The judge of `rules test` and the kernel agree, packet by packet: random lists of rules, in two orders, and for each
 * line packets that match it or miss it by one. No packet passes that the filter drops without rules.
 */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import fc from 'fast-check';
import { FLOW_SETS } from '../../src/backends/nftables/flow-sets.ts';
import { addressValue, type Family } from '../../src/net/address-range.ts';
import { combine, parsePolicyText } from '../../src/policy/parse-policy.ts';
import { program } from '../../src/policy/rule-lists.ts';
import { decide, type Packet } from '../../src/rules/judge.ts';
import type { RuleProgram } from '../../src/rules/program.ts';
import type { Wire } from '../lab/wire.ts';
import { type Own, otherOrder, packetsAbout, packetText, ruleLines } from '../rules/random-programs.ts';
import { type Dom0, obstacle } from './dom0.ts';
import { A, frame, G, icmp, icmp6, ip4, ip6, TYPE, udp, udp6 } from './frames.ts';
import { openRuled, PORT } from './play.ts';

const OWN: Own = { 4: numberOf(A.ip), 6: numberOf(A.ip6) };

function numberOf(text: string): bigint {
  const found = addressValue(text);
  assert.ok(found);
  return found.value;
}

function dotted(family: Family, value: bigint): string {
  if (family === 4) return [24n, 16n, 8n, 0n].map((shift) => (value >> shift) & 0xffn).join('.');
  return Array.from({ length: 8 }, (_, at) => ((value >> BigInt(112 - 16 * at)) & 0xffffn).toString(16)).join(':');
}

function u16(...values: readonly number[]): Buffer {
  const bytes = Buffer.alloc(values.length * 2);
  for (const [at, value] of values.entries()) bytes.writeUInt16BE(value, at * 2);
  return bytes;
}

/** @param mark makes it unlike all others, and of an echo its identifier */
function hexOf(packet: Packet, mark: number): string {
  const { family, protocol, sport = 0, dport = 0, type = 0 } = packet;
  const [src, dst] = [dotted(family, packet.source), dotted(family, packet.destination)];
  const [from, to] = packet.direction === 'out' ? [A, G] : [G, A];
  const marked = u16(mark, 0);
  const bodies: Readonly<Record<number, () => Buffer>> = {
    1: () => icmp(type, 0, Buffer.concat([u16(mark, 1), Buffer.alloc(12)])),
    58: () => icmp6({ src, dst }, type, 0, Buffer.concat([u16(mark, 1), Buffer.alloc(12)])),
    6: () => Buffer.concat([u16(sport, dport), marked, Buffer.alloc(4), Buffer.from('5002ffff00000000', 'hex')]),
    17: () => (family === 4 ? udp(sport, dport, marked) : udp6({ src, dst }, sport, dport, marked)),
    132: () => Buffer.concat([u16(sport, dport), marked, Buffer.alloc(8)]),
  };
  const body = bodies[protocol]?.() ?? Buffer.concat([marked, Buffer.alloc(12)]);
  return family === 4
    ? frame(to.mac, from.mac, TYPE.ip, ip4({ src, dst, protocol }, body))
    : frame(to.mac, from.mac, TYPE.ip6, ip6({ src, dst, next: protocol, hops: 64 }, body));
}

/** Two packets of one conversation: what was decided of the first would decide of the second. */
function conversation({ family, protocol, source, destination, sport, dport }: Packet): string {
  const ends = [`${source}.${sport}`, `${destination}.${dport}`].sort();
  return [family, protocol, ...(protocol === 1 || protocol === 58 ? [Math.random()] : ends)].join(' ');
}

/** No two packets of one conversation, and not more at once than a socket holds. */
function rounds(packets: readonly Packet[]): Packet[][] {
  const all: { readonly packets: Packet[]; readonly known: Set<string> }[] = [];
  for (const packet of packets) {
    const key = conversation(packet);
    const round = all.find(({ packets, known }) => packets.length < 60 && !known.has(key));
    if (round === undefined) all.push({ packets: [packet], known: new Set([key]) });
    else {
      round.packets.push(packet);
      round.known.add(key);
    }
  }
  return all.map(({ packets }) => packets);
}

/** Which of them arrive, as texts. Nothing is remembered from one round to the next. */
async function arriving(dom0: Dom0, wire: Wire, packets: readonly Packet[]): Promise<Set<string>> {
  const arrived = new Set<string>();
  let mark = 1;
  for (const round of rounds(packets)) {
    const sent = round.map((packet) => {
      mark += 1;
      return { packet, hex: hexOf(packet, mark) };
    });
    await wire.collect(0);
    for (const { packet, hex } of sent) await wire.send(packet.direction === 'out' ? PORT.A : PORT.G, hex);
    const seen = new Set((await wire.collect()).map(({ iface, hex }) => `${iface} ${hex}`));
    for (const { packet, hex } of sent) {
      if (seen.has(`${packet.direction === 'out' ? PORT.G : PORT.A} ${hex}`)) arrived.add(packetText(packet));
    }
    // Without rules there are none.
    const sets = [...FLOW_SETS.map(({ name }) => name), 'rations'];
    const input = sets.map((name) => `flush set bridge xen-vif ${name}\n`).join('');
    await dom0.ns.run(['nft', '-f', '-'], { input });
  }
  return arrived;
}

function policyOf(lines: readonly string[]): string {
  return `[rules random]\n${lines.join('\n')}\n[guest guest1]\nrules = random\n`;
}

function read(lines: readonly string[]): RuleProgram {
  const text = parsePolicyText(policyOf(lines), 'random');
  assert.deepEqual(text.problems, [], lines.join('\n'));
  return program(combine([text]).ruleLists, ['random']);
}

/** @param many how many random lists; each is tried in two orders */
export function testJudge(many: number, seed: number): void {
  test(`judge and kernel agree about ${many} random lists of seed ${seed}`, { skip: obstacle() }, async (t) => {
    const lists = fc.sample(ruleLines, { numRuns: many, seed }).flatMap((lines) => [lines, otherOrder(lines)]);
    const { dom0, wire } = await openRuled(t, '');
    const about = new Map(lists.map((lines) => [lines, packetsAbout(read(lines), OWN)]));
    const all = [...new Map([...about.values()].flat().map((one) => [packetText(one), one])).values()];
    const possible = await arriving(dom0, wire, all);
    assert.ok(possible.size > all.length / 2, `${possible.size} of ${all.length} pass without rules`);
    let [passed, stopped] = [0, 0];
    for (const [lines, packets] of about) {
      writeFileSync(join(dom0.folder, 'vif-bridge.ini'), policyOf(lines));
      const result = await dom0.admin(['reapply', 'vif1.0']);
      assert.equal(result.status, 0, `${lines.join('\n')}\n${result.stderr}`);
      const arrived = await arriving(dom0, wire, packets);
      const rules = read(lines);
      for (const packet of packets) {
        const text = packetText(packet);
        const rule = decide(rules, packet);
        const expected = possible.has(text) && (rule === undefined || rule.verdict === 'allow');
        assert.equal(arrived.has(text), expected, `${text}\n${lines.join('\n')}\nline ${rule?.at.line}`);
        if (expected) passed += 1;
        else stopped += 1;
      }
    }
    // Neither of them says always the same.
    assert.ok(passed > 100 && stopped > 100, `${passed} passed, ${stopped} did not`);
  });
}
