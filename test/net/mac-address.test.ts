import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { eui64LinkLocal, parseMac } from '../../src/net/mac-address.ts';
import { accepts, refusal } from './refusal.ts';

const parse = (text: string): string => parseMac(text, 'mac of here');

const ACCEPTED: readonly (readonly [written: string, read: string])[] = [
  ['00:16:3e:00:00:01', '00:16:3e:00:00:01'],
  ['00:16:3E:AA:bb:Cc', '00:16:3e:aa:bb:cc'],
  ['00-16-3e-aa-bb-cc', '00:16:3e:aa:bb:cc'],
  ['0-16-3e-a-b-c', '00:16:3e:0a:0b:0c'],
  ['2:0:0:0:0:1', '02:00:00:00:00:01'],
  ['fe:ff:ff:ff:ff:fe', 'fe:ff:ff:ff:ff:fe'],
];

for (const [written, read] of ACCEPTED) {
  test(`the MAC address ${written} is read as ${read}`, () => assert.equal(parse(written), read));
}

const REFUSED: readonly (readonly [text: string, because: RegExp])[] = [
  ['', /is not a MAC address/],
  ['00:16:3e:00:00', /is not a MAC address/],
  ['00:16:3e:00:00:01:02', /is not a MAC address/],
  ['0016.3eaa.bbcc', /is not a MAC address/],
  ['00163eaabbcc', /is not a MAC address/],
  ['00:16:3e:1ff:00:01', /is not a MAC address/],
  ['00:16:3e:zz:00:01', /is not a MAC address/],
  ['00:16:3e::00:01', /is not a MAC address/],
  ['0x0:16:3e:0:0:1', /is not a MAC address/],
  [' 00:16:3e:00:00:01', /is not a MAC address/],
  ['00:16:3e:00:00:01\n', /is not a MAC address/],
  ['00:16:3e:00:00:01 accept', /is not a MAC address/],
  ['00:16:3e:00:00:0１', /is not a MAC address/],
  ['ff:ff:ff:ff:ff:ff', /group address/],
  ['01:00:5e:00:00:01', /group address/],
  ['33:33:00:00:00:01', /group address/],
  ['00:00:00:00:00:00', /no usable MAC address/],
  ['fe:ff:ff:ff:ff:ff', /dom0's side/],
  ['FE-FF-FF-FF-FF-FF', /dom0's side/],
];

for (const [text, because] of REFUSED) {
  test(`${JSON.stringify(text)} is refused as a MAC address: ${because.source}`, () => {
    const failure = refusal(parse, text);
    assert.match(failure.message, because);
    assert.equal(failure.at, 'mac of here');
  });
}

test('what is read as a MAC address is read again as itself', () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 6, maxLength: 6 }), fc.constantFrom(':', '-'), (bytes, separator) => {
      const text = [...bytes].map((byte) => byte.toString(16)).join(separator);
      fc.pre(accepts(parse, text));
      const mac = parse(text);
      assert.match(mac, /^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/);
      assert.deepEqual(
        mac.split(':').map((part) => Number.parseInt(part, 16)),
        [...bytes],
      );
      assert.equal(parse(mac), mac);
    }),
  );
});

test('exactly the station addresses are accepted', () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 6, maxLength: 6 }), (bytes) => {
      const text = [...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join(':');
      const station = ((bytes[0] ?? 0) & 1) === 0 && bytes.some((byte) => byte !== 0) && text !== 'fe:ff:ff:ff:ff:ff';
      assert.equal(accepts(parse, text), station);
    }),
  );
});

test('no text makes the MAC parser throw anything but a refusal', () => {
  fc.assert(
    fc.property(fc.oneof(fc.string({ unit: 'binary' }), fc.string({ maxLength: 4096 })), (text) => {
      accepts(parse, text);
    }),
  );
});

test('the link-local address of a MAC is its modified EUI-64 (RFC 4291 appendix A)', () => {
  assert.equal(
    Buffer.from(eui64LinkLocal(parseMac('00:16:3e:12:34:56', ''))).toString('hex'),
    'fe8000000000000002163efffe123456',
  );
});
