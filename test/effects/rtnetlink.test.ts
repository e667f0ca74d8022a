import assert from 'node:assert/strict';
import test from 'node:test';
import { isDone, rtnetlink } from '../../src/effects/rtnetlink.ts';

/** struct nlmsghdr, then struct nlmsgerr: type 2 is NLMSG_ERROR. */
function answer(type: number, error: number): Uint8Array {
  const bytes = Buffer.alloc(36);
  bytes.writeUInt32LE(36, 0);
  bytes.writeUInt16LE(type, 4);
  bytes.writeInt32LE(error, 16);
  return bytes;
}

test('only an acknowledgement without error is success', () => {
  assert.equal(isDone(answer(2, 0)), true);
  assert.equal(isDone(answer(2, -22)), false);
  assert.equal(isDone(answer(3, 0)), false);
  assert.equal(isDone(answer(2, 0).subarray(0, 19)), false);
  assert.equal(isDone(new Uint8Array(0)), false);
});

test('Node has no way to the kernel', () => {
  assert.equal(rtnetlink, undefined);
});
