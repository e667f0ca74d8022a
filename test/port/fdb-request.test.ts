import assert from 'node:assert/strict';
import test from 'node:test';
import { parseMac } from '../../src/net/mac-address.ts';
import { fdbRequest } from '../../src/port/fdb-request.ts';

test('is what iproute2 sends for the same entry', () => {
  // strace -e write=all bridge fdb replace 00:16:3e:01:02:03 dev v0 master static sticky (iproute2 6.1); v0 had
  // index 107.
  // Left out: nlmsg_seq, which may be anything.
  const sent = `28000000 1c000505 00000000 00000000
    07000000 6b000000 42004400 0a000200
    00163e01 02030000`;
  const request = fdbRequest(0x6b, parseMac('00:16:3E:01:02:03', 'the test'));
  assert.equal(Buffer.from(request).toString('hex'), sent.replaceAll(/\s/g, ''));
});
