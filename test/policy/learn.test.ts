import assert from 'node:assert/strict';
import test from 'node:test';
import { addressCount, duration, learnChoice, serverSet } from '../../src/policy/learn.ts';
import type { ValueKind } from '../../src/policy/value-kind.ts';

function wrong<T>(kind: ValueKind<T>, text: string): string {
  const read = kind.read(text);
  assert.ok('wrong' in read, text);
  return read.wrong.map(({ what }) => what).join(', ');
}

test('what the first packet says is not to be learned, and why', () => {
  assert.deepEqual(learnChoice.read('dhcp'), { value: 'dhcp' });
  assert.match(wrong(learnChoice, 'any'), /by sending first/);
  assert.match(wrong(learnChoice, 'on'), /not possible/);
});

test('a server is one IPv4 address', () => {
  const read = serverSet.read('192.0.2.1, 192.0.2.2');
  assert.ok('value' in read);
  assert.equal(serverSet.write(read.value), '192.0.2.1 192.0.2.2');
  assert.deepEqual(serverSet.read('none'), { value: [] });
  assert.match(wrong(serverSet, '192.0.2.0/24'), /192\.0\.2\.0\/24/);
  assert.match(wrong(serverSet, '192.0.2.1 2001:db8::1'), /2001:db8::1/);
  wrong(serverSet, 'dhcp.example.org');
});

test('times and numbers are read as they are written', () => {
  for (const text of ['61s', '90s', '7m', '36h', '1d', '30d']) {
    const read = duration.read(text);
    assert.ok('value' in read, text);
    assert.equal(duration.write(read.value), text);
  }
  for (const text of ['', '1', '59s', '31d', '1w', '-1d', '1.5h', '1 d', '1D']) wrong(duration, text);
  assert.deepEqual(addressCount.read('8'), { value: 8 });
  for (const text of ['', '0', '1001', '-1', 'many', '1e2']) wrong(addressCount, text);
});
