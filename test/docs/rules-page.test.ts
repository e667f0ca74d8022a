/** The page about rules: every example is read, and does what is said above it. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import test from 'node:test';
import { addressValue } from '../../src/net/address-range.ts';
import { combine, combineLists, parsePolicyText } from '../../src/policy/parse-policy.ts';
import { program } from '../../src/policy/rule-lists.ts';
import { decide } from '../../src/rules/judge.ts';
import { isProtocolName, PROTOCOLS } from '../../src/rules/protocols.ts';

const PAGE = readFileSync(new URL('../../docs/rules.md', import.meta.url), 'utf8');
const BLOCKS = [...PAGE.matchAll(/```ini\n([\s\S]*?)```/g)].map(([, text = '']) => text);

const GUEST = '192.0.2.5';
const FAR = '203.0.113.7';
const ADMIN = '198.51.100.9';

/** Lists, then packets: direction, protocol, the other station, its port, the guest's port or type, and the verdict. */
const CASES: Readonly<Record<string, readonly string[]>> = {
  web: [
    `in tcp ${FAR} 443 allow`,
    `in tcp ${FAR} 22 drop`,
    `in tcp ${ADMIN} 22 allow`,
    `in icmp ${FAR} 8 allow`,
    `out tcp ${FAR} 25 drop`,
    `out tcp ${FAR} 80 allow`,
  ],
  mail: [`in tcp ${FAR} 25 allow`, `out tcp ${FAR} 25 allow`, `out udp 192.0.2.53 53 allow`, `out tcp ${FAR} 443 drop`],
  'no-spam': [`out tcp ${FAR} 25 drop`, `out tcp ${FAR} 26 allow`, `in tcp ${FAR} 25 nothing`],
  'admin-only': [`in udp ${ADMIN} 7 allow`, `in tcp ${FAR} 22 drop`, `out tcp ${FAR} 1 nothing`],
  dns: [`in udp ${FAR} 53 allow`, `in tcp ${FAR} 53 allow`, `in udp ${FAR} 54 drop`],
  ping: [`in icmp ${FAR} 8 allow`, `in icmp ${FAR} 13 drop`, `in tcp ${FAR} 80 drop`],
  database: ['in tcp 192.0.2.12 5432 allow', 'in tcp 192.0.2.20 5432 drop', `out tcp ${FAR} 80 drop`],
  'answers-only': [`in tcp ${FAR} 80 allow`, `out tcp ${FAR} 80 drop`],
  ftp: [`in tcp ${FAR} 21 allow`, `in tcp ${FAR} 50050 allow`, `in tcp ${FAR} 20 drop`],
  tunnel: [`in gre ${FAR} 0 allow`, `in udp ${FAR} 4500 allow`, `in udp ${ADMIN} 4500 drop`, `in esp ${ADMIN} 0 drop`],
  'office closed': [`in tcp ${ADMIN} 22 allow`, `in tcp ${FAR} 22 drop`],
};

test('every example of the page is read, and there are ten recipes', () => {
  assert.ok(BLOCKS.length > 10);
  for (const block of BLOCKS) {
    const text = parsePolicyText(block, 'docs/rules.md');
    assert.deepEqual([...text.problems, ...combineLists([text]).problems], [], block);
  }
});

for (const [names, packets] of Object.entries(CASES)) {
  test(`${names}: what is said of it`, () => {
    const block = BLOCKS.find((text) => text.includes(`[rules ${names.split(' ')[0]}]`));
    assert.ok(block);
    const rules = program(combine([parsePolicyText(block, 'docs/rules.md')]).ruleLists, names.split(' '));
    for (const packet of packets) {
      const [direction = '', protocol = '', other = '', number = '', verdict] = packet.split(' ');
      const [far, own] = [addressValue(other), addressValue(GUEST)];
      assert.ok(far && own && isProtocolName(protocol));
      const [source, destination] = direction === 'in' ? [far, own] : [own, far];
      const { ports } = PROTOCOLS[protocol];
      const rule = decide(rules, {
        direction: direction === 'in' ? 'in' : 'out',
        family: 4,
        protocol: PROTOCOLS[protocol].number,
        source: source.value,
        destination: destination.value,
        ...(ports ? { sport: 40_000, dport: Number(number) } : { type: Number(number) }),
      });
      assert.equal(rule?.verdict ?? 'nothing', verdict, packet);
    }
  });
}
