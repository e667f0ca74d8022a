/** Where explain reads a field is where the backend tells the kernel to read it. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { PLACES } from '../../src/backends/nftables/chain-program.ts';
import { NFT_FIELDS } from '../../src/backends/nftables/fields.ts';
import { FILTER_FIELDS } from '../../src/filter/filter-of-frame.ts';
import { parseFrame } from '../../src/filter/frame.ts';
import { readBits, readField } from '../../src/filter/frame-fields.ts';
import type { Field } from '../../src/filter/stage.ts';

/** Bytes that are all different, in a packet that is whole, so that a field read elsewhere has another value. */
function numbered(etherType: number, protocol: number): Uint8Array {
  const bytes = Uint8Array.from({ length: 240 }, (_, at) => (at * 7 + 3) % 251);
  bytes.set([etherType >> 8, etherType & 0xff], 12);
  const packet = bytes.subarray(14);
  if (etherType === 0x0800) packet.set([0x45, 0, 0, packet.length, 1, 2, 0, 0, 64, protocol], 0);
  if (etherType === 0x86dd) packet.set([0x60, 0, 0, 0, 0, packet.length - 40, protocol], 0);
  return bytes;
}

const FIELDS = Object.entries(NFT_FIELDS) as [Field, (typeof NFT_FIELDS)[Field]][];
const RAW = FIELDS.flatMap(([field, { text, bare, quick }]) => {
  const raw = [bare?.text, quick, text].find((one) => one?.startsWith('@'));
  return raw === undefined ? [] : [{ field, raw }];
});

test('every field that nft knows as plain bits is read from the same ones', () => {
  assert.ok(RAW.length > 35);
  for (const { field, raw } of RAW) {
    const [, base, offset, bits] = /^@(ll|nh|th),(\d+),(\d+)$/.exec(raw) ?? [];
    for (const [type, protocol] of [
      [0x0800, 17],
      [0x86dd, 17],
      [0x0806, 0],
    ] as const) {
      const frame = parseFrame(numbered(type, protocol));
      assert.ok(frame);
      const place = base === 'll' ? 'frame' : base === 'nh' ? 'packet' : 'upper';
      assert.equal(readField(frame, field), readBits(frame, place, Number(offset), Number(bits)), field);
    }
  }
});

test('every field that filters of libvirt ask for is read from the bits that the backend asks for', () => {
  const ethernet = { 'ether daddr': 0, 'ether saddr': 48, 'ether type': 96 } as const;
  for (const [field, [base, offset, bits]] of Object.entries(FILTER_FIELDS)) {
    const { text, bits: all, shift = 0, mask } = PLACES[field as keyof typeof FILTER_FIELDS];
    const [, raw, at, width] = /^@(nh|th),(\d+),(\d+)$/.exec(text) ?? ['', '', ethernet[text as 'ether type'], all];
    assert.equal({ frame: '', packet: 'nh', upper: 'th' }[base], raw, field);
    // A field of fewer bits stands in one that nft can read, and is cut out by a mask.
    const masked = mask === undefined ? Number(width) : BigInt(mask).toString(2).length - shift;
    assert.equal(bits, masked, field);
    assert.equal(offset, Number(at) + Number(width) - shift - bits, field);
  }
});

test('a field is only there if all of it is', () => {
  const whole = numbered(0x0806, 0);
  for (const [length, there] of [
    [14 + 28, true],
    [14 + 27, false],
  ] as const) {
    const frame = parseFrame(whole.subarray(0, length));
    assert.ok(frame);
    assert.equal(readField(frame, 'arp daddr ip') !== undefined, there);
  }
});

test('what is behind an IP header is only read of a whole packet, and of no later fragment', () => {
  const bytes = numbered(0x0800, 17);
  const dport = (): bigint | undefined => {
    const frame = parseFrame(bytes);
    assert.ok(frame);
    return readField(frame, 'udp dport');
  };
  assert.notEqual(dport(), undefined);
  bytes.set([0x00, 0x01], 14 + 6);
  assert.equal(dport(), undefined, 'a later fragment');
  bytes.set([0x20, 0x00], 14 + 6);
  assert.notEqual(dport(), undefined, 'the first one');
  bytes.set([0x00, 0x00], 14 + 6);
  bytes[17] = bytes.length;
  assert.equal(dport(), undefined, 'it says to be longer than it is');
  assert.equal(parseFrame(bytes.subarray(0, 13)), undefined);
});
