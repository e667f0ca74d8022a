/** Limits where ebtables holds the rules: one rule of its own for each vif and kind. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import type { LimitKind } from '../../src/filter/frame-limits.ts';
import { obstacle, openDom0 } from '../kernel/dom0.ts';
import { assertCut, assertUntouched, limitLine } from '../kernel/limits.ts';
import { GUEST_A, GUEST_V } from '../kernel/verdict.ts';

const skip = obstacle();
/** All that ebtables lets pass at all; DHCP and IPv6 are tested with their gaps accepted. */
const GAPS =
  'ip-form ip-opt igmp-type dhcp-form dhcp-chaddr dhcp-foreign ip6-form ip6-ext nd-ext nd-form nd-lla nd-target mld-form dhcp6-form';
const POLICY = `[defaults]\nbackend = ebtables\nebtables_gaps = ${GAPS}\n`;
const KINDS: readonly LimitKind[] = ['arp', 'broadcast', 'multicast', 'dhcp', 'nd', 'igmp'];

test('limits with ebtables', { skip }, async (t) => {
  const dom0 = await openDom0(t, { policy: POLICY });
  await dom0.start(GUEST_A);
  await dom0.start(GUEST_V);
  const wire = await dom0.openWire(['guest1.0', 'guest2.0', 'gw0']);
  for (const kind of KINDS) {
    await t.test(kind, async () => {
      writeFileSync(join(dom0.folder, 'vif-bridge.ini'), `${POLICY}[guest guest1]\n${limitLine(kind)}`);
      assert.equal((await dom0.admin(['reapply', 'vif1.0'])).status, 0);
      await assertCut(dom0, wire, kind);
      await assertUntouched(wire);
    });
  }
});
