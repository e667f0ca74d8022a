import assert from 'node:assert/strict';
import test from 'node:test';
import { errorOf, messagesIn, netlink } from '../../src/effects/netlink.ts';
import { rtnetlink } from '../../src/effects/rtnetlink.ts';

/** struct nlmsghdr, then struct nlmsgerr: type 2 is NLMSG_ERROR. */
function answer(type: number, error: number): Uint8Array {
  const bytes = Buffer.alloc(36);
  bytes.writeUInt32LE(36, 0);
  bytes.writeUInt16LE(type, 4);
  bytes.writeInt32LE(error, 16);
  return Uint8Array.from(bytes);
}

test('only an acknowledgement without error is success', () => {
  assert.equal(errorOf([answer(2, 0)]), 0);
  assert.equal(errorOf([answer(2, -22)]), 22);
  assert.equal(errorOf([answer(20, 0), answer(3, 0)]), 0);
  assert.equal(errorOf([answer(20, 0)]), undefined);
  assert.equal(errorOf([answer(2, 0).subarray(0, 19)]), undefined);
  assert.equal(errorOf([]), undefined);
});

test('messages stand one behind the other, and half of one is none', () => {
  const two = Uint8Array.from([...answer(20, 0), ...answer(3, 0)]);
  assert.deepEqual(
    messagesIn(two),
    [answer(20, 0), answer(3, 0)].map((one) => new Uint8Array(one)),
  );
  assert.equal(messagesIn(two.subarray(0, 70)).length, 1);
  // A length of nothing must not be looked at for ever.
  assert.deepEqual(messagesIn(new Uint8Array(64)), []);
});

test('Node has no way to the kernel', () => {
  assert.equal(netlink, undefined);
  assert.equal(rtnetlink, undefined);
});
