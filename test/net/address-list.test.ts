import assert from 'node:assert/strict';
import { isIPv4, isIPv6 } from 'node:net';
import test from 'node:test';
import fc from 'fast-check';
import { type AddressList, parseAddressList } from '../../src/net/address-list.ts';
import { contains, familyOf, type IpPrefix, makePrefix } from '../../src/net/ip-prefix.ts';
import { ipv4Bytes, ipv4Text, ipv6Text } from './address-arbitrary.ts';
import { accepts, refusal } from './refusal.ts';

const parse = (text: string): AddressList => parseAddressList(text, 'ip of backend/vif/1/0');
const texts = (list: AddressList): string => [...list.ipv4, ...list.ipv6].map((prefix) => prefix.text).join(' ');

/** What admins write (docs/man/xl-network-configuration.5, forums, libvirt), and what it means. */
const ACCEPTED: readonly (readonly [written: string, read: string, broadcasts?: string])[] = [
  ['', ''],
  ['   ', ''],
  ["''", ''],
  ['192.0.2.1', '192.0.2.1'],
  ['192.0.2.1 198.51.100.2', '192.0.2.1 198.51.100.2'],
  ['192.0.2.1 198.51.100.2 ', '192.0.2.1 198.51.100.2'],
  ['192.0.2.1,198.51.100.2', '192.0.2.1 198.51.100.2'],
  ['192.0.2.1;192.0.2.2', '192.0.2.1 192.0.2.2'],
  ['192.0.2.1 ;, 192.0.2.2', '192.0.2.1 192.0.2.2'],
  ["'192.0.2.1 192.0.2.2'", '192.0.2.1 192.0.2.2'],
  ['"192.0.2.1" "192.0.2.2"', '192.0.2.1 192.0.2.2'],
  ['"192.0.2.1', '192.0.2.1'],
  ['192.0.2.1\t192.0.2.2', '192.0.2.1 192.0.2.2'],
  ['192.0.2.1 192.0.2.1', '192.0.2.1'],
  ['192.0.2.1/32', '192.0.2.1'],
  // A block is no subnet.
  ['192.0.2.0/24', '192.0.2.0/24'],
  ['192.0.2.0/28', '192.0.2.0/28'],
  ['192.0.2.0/255.255.255.0', '192.0.2.0/24'],
  ['192.0.2.5/24', '192.0.2.5', '192.0.2.255'],
  ['192.0.2.5/255.255.255.0', '192.0.2.5', '192.0.2.255'],
  ['192.0.2.4/31', '192.0.2.4/31'],
  ['192.0.2.5/31', '192.0.2.5'],
  ['192.0.2.0/24 192.0.2.7', '192.0.2.0/24'],
  ['192.0.2.7 192.0.2.0/24', '192.0.2.0/24'],
  ['192.0.2.7/24 192.0.2.0/28', '192.0.2.0/28', '192.0.2.255'],
  ['10.0.0.1/24 10.0.0.2/24', '10.0.0.1 10.0.0.2', '10.0.0.255'],
  ['2001:DB8::0005', '2001:db8::5'],
  ['2001:db8::5/64', '2001:db8::5'],
  ['2001:db8::/64', '2001:db8::/64'],
  ['2001:db8::/64 2001:db8::1', '2001:db8::/64'],
  ['2001:db8:0:0:1:0:0:1', '2001:db8::1:0:0:1'],
  ['2001:db8:0:1:1:1:1:1', '2001:db8:0:1:1:1:1:1'],
  ['1:2:3:4:5:6:7::', '1:2:3:4:5:6:7:0'],
  ['fe80::1', 'fe80::1'],
  ['fe80::/64', 'fe80::/64'],
  ['2001:db8::192.0.2.33', '2001:db8::c000:221'],
  ['2001:db8:1:2:3:4:192.0.2.33', '2001:db8:1:2:3:4:c000:221'],
  ['2001:DB8::192.0.2.0/120', '2001:db8::c000:200/120'],
  ['2001:db8::5:192.0.2.33/64', '2001:db8::5:c000:221'],
  ['192.0.2.1 2001:db8::5/64', '192.0.2.1 2001:db8::5'],
  ['169.254.7.7', '169.254.7.7'],
];

for (const [written, read, broadcasts = ''] of ACCEPTED) {
  const means = read === '' ? 'no address' : read;
  test(`ip=${JSON.stringify(written)} means ${means}${broadcasts && `, broadcast ${broadcasts}`}`, () => {
    const list = parse(written);
    assert.equal(texts(list), read);
    assert.equal(list.broadcasts.join(' '), broadcasts);
  });
}

const REFUSED: readonly (readonly [text: string, because: RegExp])[] = [
  // Other readers take these for another address than the one that was meant.
  ['010.0.0.1', /"010\.0\.0\.1" is not an IP address/],
  ['10.0.0.010', /is not an IP address/],
  ['0x0a000001', /is not an IP address/],
  ['167772161', /is not an IP address/],
  ['10.1', /is not an IP address/],
  ['10.0.0.1.', /is not an IP address/],
  ['10.0.0.256', /is not an IP address/],
  ['192.0.2.300', /"192\.0\.2\.300" is not an IP address/],
  ['１９２.0.2.1', /belongs in no address list/],
  // Not addresses.
  ['web01.example.org', /is not an IP address/],
  ['dhcp', /is not an IP address/],
  ['any', /is not an IP address/],
  ['default', /is not an IP address/],
  ['!192.0.2.1', /is not an IP address/],
  ['192.0.2.1-192.0.2.9', /is not an IP address/],
  ['192.0.2.*', /is not an IP address/],
  ['192.0.2.1:80', /is not an IP address/],
  ['[2001:db8::1]', /is not an IP address/],
  ['192.0.2.1|192.0.2.2', /is not an IP address/],
  ['{ 192.0.2.1 }', /is not an IP address/],
  ['$(id)', /is not an IP address/],
  ['192.0.2.1 accept', /"accept" is not an IP address/],
  ['192.0.2.1 0.0.0.0/0', /means every address/],
  // Masks.
  ['192.0.2.1/', /no valid prefix length or netmask/],
  ['192.0.2.1/33', /no valid prefix length or netmask/],
  ['192.0.2.1/-1', /no valid prefix length or netmask/],
  ['192.0.2.1/+24', /no valid prefix length or netmask/],
  ['192.0.2.1/024', /no valid prefix length or netmask/],
  ['192.0.2.1/0x18', /no valid prefix length or netmask/],
  ['192.0.2.1/24/8', /no valid prefix length or netmask/],
  ['192.0.2.0/255.0.255.0', /no valid prefix length or netmask/],
  ['192.0.2.0/0.0.0.255', /no valid prefix length or netmask/],
  ['2001:db8::/129', /no valid prefix length or netmask/],
  ['2001:db8::/ffff:ffff::', /no valid prefix length or netmask/],
  ['2001:db8::/255.255.255.0', /no valid prefix length or netmask/],
  ['192.0.2.1/0', /means every address/],
  ['0.0.0.0/0', /means every address/],
  ['0/0', /is not an IP address/],
  ['::/0', /means every address/],
  ['10.0.0.0/0.0.0.0', /means every address/],
  // IPv6 that is not one plain address.
  ['fe80::1%eth0', /is not an IP address/],
  ['fe80::1%25eth0', /is not an IP address/],
  ['::ffff:192.0.2.1', /IPv4-mapped/],
  ['::ffff:c000:201', /IPv4-mapped/],
  ['64:ff9b::192.0.2.1', /NAT64/],
  ['64:ff9b::c000:201', /NAT64/],
  ['::192.0.2.1', /IPv4-compatible/],
  ['::127.0.0.1', /IPv4-compatible/],
  ['2001:db8::192.0.2', /is not an IP address/],
  ['2001:db8::192.0.2.256', /is not an IP address/],
  ['2001:db8::192.0.2.033', /is not an IP address/],
  ['2001:db8::192.0.2.33.', /is not an IP address/],
  ['2001:db8::192.0.2.33:1', /is not an IP address/],
  ['2001:192.0.2.33::', /is not an IP address/],
  ['1:2:3:4:5:6:7:192.0.2.33', /is not an IP address/],
  ['1:2:3:4:5:192.0.2.33', /is not an IP address/],
  ['::c000:201', /IPv4-compatible/],
  ['::', /unspecified/],
  ['::1', /loopback/],
  ['2001:db8:::1', /is not an IP address/],
  ['2001:db8', /is not an IP address/],
  ['12345::', /is not an IP address/],
  // No guest's own.
  ['0.0.0.0', /this network/],
  ['127.0.0.1', /loopback/],
  ['224.0.0.251', /multicast/],
  ['ff02::1', /multicast/],
  ['255.255.255.255', /reserved block/],
  ['240.0.0.1', /reserved block/],
  ['0.0.0.0/1', /holds addresses that no guest can own/],
  ['128.0.0.0/1', /holds addresses that no guest can own/],
  ['8000::/1', /holds addresses that no guest can own/],
  ['192.0.2.255/24', /is the broadcast address of 192\.0\.2\.0\/24/],
  // Characters that no list has.
  ['192.0.2.1\n', /belongs in no address list/],
  ['192.0.2.1\n10.0.0.1', /belongs in no address list/],
  ['192.0.2.1\r', /belongs in no address list/],
  ['192.0.2.1\0', /belongs in no address list/],
  ['192.0.2.1\x7f', /belongs in no address list/],
  ['192.0.2.1\u00a0192.0.2.2', /belongs in no address list/],
  ['192.0.2.1\u2028', /belongs in no address list/],
  ['192.0.2.1\\n', /is not an IP address/],
  // Sizes.
  ['x'.repeat(65), /is not an IP address/],
  ['1'.repeat(4096), /is not an IP address/],
  ['192.0.2.1 '.repeat(410), /4100 characters long/],
];

for (const [text, because] of REFUSED) {
  test(`ip=${JSON.stringify(text).slice(0, 48)} is refused: ${because.source}`, () => {
    const failure = refusal(parse, text);
    assert.match(failure.message, because);
    assert.equal(failure.at, 'ip of backend/vif/1/0');
    assert.notEqual(failure.hint, undefined);
  });
}

test('one bad word refuses the whole list', () => {
  for (const text of ['192.0.2.1 dhcp', 'dhcp 192.0.2.1', '192.0.2.1,10.0.0.0/0']) refusal(parse, text);
});

test('host bits are said so in the log, with what was understood', () => {
  assert.deepEqual(parse('192.0.2.5/24').notes, [
    '192.0.2.5/24 has host bits: it means the one address 192.0.2.5 and the subnet broadcast 192.0.2.255; write 192.0.2.0/24 for the whole block',
  ]);
  assert.deepEqual(parse('2001:db8::5/64').notes, [
    '2001:db8::5/64 has host bits: it means the one address 2001:db8::5; write 2001:db8::/64 for the whole block',
  ]);
  assert.deepEqual(parse('192.0.2.5 192.0.2.0/24 2001:db8::/64').notes, []);
});

test('a wide block is said so in the log', () => {
  assert.match(parse('10.0.0.0/8').notes[0] ?? '', /10\.0\.0\.0\/8 is wide/);
  assert.match(parse('2001:db8::/32').notes[0] ?? '', /2001:db8::\/32 is wide/);
});

test('a block of link-local addresses is said to hold those of routers too, whatever its length', () => {
  for (const block of ['fe80::/64', 'fe80::/10', 'fe80::1:0/112', 'fe00::/8', 'fe80:0:0:1::/64']) {
    assert.match(parse(block).notes[0] ?? '', /link-local addresses of routers/, block);
  }
  for (const own of ['fe80::1', 'fec0::/64', '2001:db8::/64']) assert.deepEqual(parse(own).notes, [], own);
});

const ipv4Word = fc
  .record({ bytes: ipv4Bytes, length: fc.option(fc.integer({ min: 0, max: 32 }), { nil: undefined }) })
  .map(({ bytes, length }) => ({
    bytes,
    length,
    text: `${ipv4Text(bytes)}${length === undefined ? '' : `/${length}`}`,
  }));
const ipv6Word = fc
  .record({ address: ipv6Text, length: fc.option(fc.integer({ min: 0, max: 128 }), { nil: undefined }) })
  .map(({ address, length }) => ({
    bytes: address.bytes,
    length,
    text: `${address.text}${length === undefined ? '' : `/${length}`}`,
  }));
const word = fc.oneof(ipv4Word, ipv6Word);
const separator = fc.constantFrom(' ', ',', ';', ', ', '; ', "' '", '" "', '\t', '  ');

test('every address of an accepted list was written in it, and nothing that was written is lost', () => {
  fc.assert(
    fc.property(fc.array(word, { maxLength: 6 }), separator, (words, between) => {
      const kept = words.filter((one) => accepts(parse, one.text));
      const list = parse(kept.map((one) => one.text).join(between));
      const meant = kept.map((one) => {
        const full = one.bytes.length * 8;
        const block = makePrefix(one.bytes, one.length ?? full);
        const hasHostBits = Buffer.compare(block.bytes, one.bytes) !== 0;
        return hasHostBits ? makePrefix(one.bytes, full) : block;
      });
      const read: IpPrefix[] = [...list.ipv4, ...list.ipv6];
      for (const prefix of read)
        assert.ok(
          meant.some((one) => one.text === prefix.text),
          `${prefix.text} was not written`,
        );
      for (const one of meant)
        assert.ok(
          read.some((prefix) => contains(prefix, one)),
          `${one.text} is lost`,
        );
    }),
    { numRuns: 500 },
  );
});

test('the canonical text of a list is read as the same list', () => {
  fc.assert(
    fc.property(fc.array(word, { maxLength: 6 }), (words) => {
      const list = parse(
        words
          .map((one) => one.text)
          .filter((text) => accepts(parse, text))
          .join(' '),
      );
      const again = parse(texts(list));
      assert.equal(texts(again), texts(list));
      assert.deepEqual([...again.ipv4, ...again.ipv6], [...list.ipv4, ...list.ipv6]);
    }),
    { numRuns: 500 },
  );
});

test('however an IPv6 address is written, it is read as its 16 bytes', () => {
  fc.assert(
    fc.property(ipv6Text, ({ bytes, text }) => {
      fc.pre(accepts(parse, text));
      assert.deepEqual(parse(text).ipv6[0]?.bytes, bytes);
    }),
  );
});

test('a block holds no address of the blocks that no guest can own', () => {
  const zeros = (count: number): number[] => Array<number>(count).fill(0);
  const never: readonly (readonly [bytes: readonly number[], length: number])[] = [
    [[0, 0, 0, 0], 8],
    [[127, 0, 0, 0], 8],
    [[224, 0, 0, 0], 4],
    [[240, 0, 0, 0], 4],
    [zeros(16), 96],
    [[...zeros(10), 0xff, 0xff, ...zeros(4)], 96],
    [[0xff, ...zeros(15)], 8],
  ];
  const blocks = never.map(([bytes, length]) => makePrefix(Uint8Array.from(bytes), length));
  fc.assert(
    fc.property(word, (one) => {
      fc.pre(accepts(parse, one.text));
      const list = parse(one.text);
      for (const prefix of [...list.ipv4, ...list.ipv6]) {
        for (const block of blocks) assert.ok(!contains(block, prefix) && !contains(prefix, block), prefix.text);
      }
    }),
    { numRuns: 500 },
  );
});

test('no text makes the address parser throw anything but a refusal', () => {
  const noise = fc.string({ unit: 'binary', maxLength: 200 });
  const nearly = fc.stringMatching(/^[0-9a-fA-F:.%/ ,;'"]{0,80}$/);
  fc.assert(
    fc.property(fc.oneof(noise, nearly, fc.string({ minLength: 3000, maxLength: 5000 })), (text) => {
      accepts(parse, text);
    }),
    { numRuns: 1000 },
  );
});

test('a word is an address exactly where node:net says so, but for zone ids', () => {
  const groups = fc.array(fc.constantFrom('', '0', '1', 'ff', 'ABCD', '0001', '12345', 'g', '1.2.3.4', 'fe80%eth0'), {
    minLength: 1,
    maxLength: 10,
  });
  const numbers = fc.array(fc.constantFrom('', '0', '00', '01', '9', '10', '199', '255', '256', '1000', '-1', 'a'), {
    minLength: 1,
    maxLength: 5,
  });
  const text = fc.oneof(
    groups.map((all) => all.join(':')),
    numbers.map((all) => all.join('.')),
    ipv6Text.map((one) => one.text),
    fc.stringMatching(/^[0-9a-f:.%]{0,40}$/),
    fc.stringMatching(/^([0-9a-f]{1,4}:){0,8}:?(:[0-9a-f]{1,4}){0,8}$/),
  );
  fc.assert(
    fc.property(text, (address) => {
      const expected = isIPv4(address) ? 4 : isIPv6(address) && !address.includes('%') ? 6 : undefined;
      assert.equal(familyOf(address), expected, address);
    }),
    { numRuns: 5_000 },
  );
});

test('as many addresses as a value of xenstore holds', () => {
  const all = Array.from({ length: 455 }, (_, n) => `10.0.${n >> 7}.${(n & 127) + 1}`);
  const text = all.join(' ').slice(0, 4096);
  const words = text.split(' ');
  assert.ok(words.length > 400);
  assert.deepEqual(
    parse([...words.slice(0, -2), words[0]].join(' ')).ipv4.map((prefix) => prefix.text),
    words.slice(0, -2),
  );
});
