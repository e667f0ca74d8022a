import assert from 'node:assert/strict';
import test from 'node:test';
import { groupLimitRequest } from '../../src/port/group-limit-request.ts';

test('is what iproute2 sends for the same limit', () => {
  // strace -e write=all bridge link set dev v1 mcast_max_groups 64 (iproute2 6.15); v1 had index 107. Left out:
  // nlmsg_seq, which may be anything.
  const sent = `2c000000 13000500 00000000 00000000
    07000000 6b000000 00000000 00000000
    0c000c80 08002a00 40000000`;
  assert.equal(Buffer.from(groupLimitRequest(0x6b, 64)).toString('hex'), sent.replaceAll(/\s/g, ''));
});
