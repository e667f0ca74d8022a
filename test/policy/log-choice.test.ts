import assert from 'node:assert/strict';
import test from 'node:test';
import { isLogged, logChoice } from '../../src/policy/log-choice.ts';

test('a word, or reasons', () => {
  assert.deepEqual(logChoice.read('off'), { value: 'off' });
  assert.deepEqual(logChoice.read('limited'), { value: 'limited' });
  assert.deepEqual(logChoice.read('ip-src, arp-spa ip-src'), { value: ['ip-src', 'arp-spa'] });
  assert.equal(logChoice.write(['ip-src', 'arp-spa']), 'ip-src arp-spa');
});

test('what it cannot be is refused, with what was probably meant', () => {
  const wrong = (text: string): unknown => {
    const read = logChoice.read(text);
    assert.ok('wrong' in read, text);
    return read.wrong.map(({ meant }) => meant);
  };
  assert.deepEqual(wrong(''), ['limited']);
  assert.deepEqual(wrong('on'), [undefined]);
  assert.deepEqual(wrong('limted'), ['limited']);
  assert.deepEqual(wrong('arp-spaa nonsense'), ['arp-spa', undefined]);
  assert.deepEqual(wrong('off ip-src'), ['off']);
  // Of what is kept from a guest nothing is told.
  assert.deepEqual(wrong('not-for-me'), [undefined]);
});

test('what is told', () => {
  assert.equal(isLogged('limited', 'ip-src'), true);
  assert.equal(isLogged('off', 'ip-src'), false);
  assert.equal(isLogged(['ip-src'], 'ip-src'), true);
  assert.equal(isLogged(['ip-src'], 'arp-spa'), false);
});
