/** Addresses as they are written, and read again. */
import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import ipaddr from 'ipaddr.js';
import { makePrefix, parsePrefix } from '../../src/net/ip-prefix.ts';
import { ipv4Bytes, ipv6Bytes } from './address-arbitrary.ts';

test('IPv6 is written as RFC 5952 says, and read again', () => {
  fc.assert(
    fc.property(ipv6Bytes, (bytes) => {
      const { text } = makePrefix(bytes, 128);
      assert.equal(text, ipaddr.fromByteArray([...bytes]).toString());
      assert.deepEqual(parsePrefix(text)?.bytes, bytes);
    }),
    { numRuns: 2000 },
  );
});

test('IPv4 is read as it is written', () => {
  fc.assert(
    fc.property(ipv4Bytes, (bytes) => {
      const { text } = makePrefix(bytes, 32);
      assert.deepEqual([text, parsePrefix(text)?.bytes], [[...bytes].join('.'), bytes]);
    }),
  );
});

test('the end of an IPv6 address may be written as IPv4', () => {
  for (const [written, text] of [
    ['2001:db8::192.0.2.33', '2001:db8::c000:221'],
    ['2001:db8:0:0:0:0:192.0.2.33/120', '2001:db8::c000:200/120'],
    ['::', '::'],
    ['1::', '1::'],
    ['::1', '::1'],
    ['2001:DB8:0:0:1:0:0:1', '2001:db8::1:0:0:1'],
  ] as const)
    assert.equal(parsePrefix(written)?.text, text);
});
