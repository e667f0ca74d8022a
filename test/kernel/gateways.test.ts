/** A guest that speaks with its gateways only, whatever it writes into a frame, and hears nobody else. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { ATTACKS } from './attacks.ts';
import { CORPUS } from './corpus.ts';
import { obstacle, openDom0 } from './dom0.ts';
import { A, G, X } from './frames.ts';
import { FROM, GAPS, NAMED, TO } from './gateways.ts';
import { GUEST_A, GUEST_V, openGuests, type TestFrame, testFrames } from './verdict.ts';

const skip = obstacle();

/** What ebtables sees of it may be right. */
const UNSEEN = ["duplicate address detection for the neighbour's"];

for (const backend of ['nftables', 'ebtables']) {
  const build = (t: test.TestContext) => openGuests(t, GUEST_A, GUEST_V, { policy: `${GAPS[backend]}${NAMED}` });
  const here = (frames: readonly TestFrame[]): TestFrame[] =>
    backend === 'nftables'
      ? [...frames]
      : frames
          .filter(({ name }) => !UNSEEN.includes(name))
          .map((one) => ({ ...one, ...(one.reason && one.reason !== 'gateway' ? { reason: undefined } : {}) }));
  if (skip === false) {
    testFrames(`${backend}: who names gateways sends to them alone`, here(FROM), build);
    testFrames(`${backend}: who names gateways hears them alone`, here(TO), build);
  }
}

if (skip === false) {
  testFrames(
    'nothing that is forged passes because of gateways',
    [...ATTACKS, ...CORPUS].filter(({ expect }) => expect === 'drop').map((one) => ({ ...one, reason: undefined })),
    (t) => openGuests(t, GUEST_A, GUEST_V, { policy: NAMED }),
  );
}

test('a gateway that is named by its address is the station that this host knows by it', { skip }, async (t) => {
  const dom0 = await openDom0(t, { policy: `[mac ${A.mac}]\ngateways = ${G.ip}\n` });
  dom0.configure(GUEST_A);
  await dom0.bench.addVif('vif1.0');
  const unknown = await dom0.hotplug('online', { domid: 1 });
  assert.equal(unknown.status, 1);
  assert.match(dom0.key(1, 'hotplug-error') ?? '', /no MAC address of 10\.0\.0\.254 is known/);
  await dom0.ns.check(['ip', 'neigh', 'replace', G.ip, 'lladdr', G.mac, 'dev', 'br0', 'nud', 'reachable']);
  assert.equal((await dom0.hotplug('online', { domid: 1 })).status, 0);
  assert.match(await dom0.ruleset(), new RegExp(`own-gateway \\{[^}]*vif1\\.0 \\. ${G.mac}`));
  // What it was loaded with counts on where the host has forgotten it.
  await dom0.ns.check(['ip', 'neigh', 'flush', 'all']);
  await dom0.ns.run(['ip', 'neigh', 'del', G.ip, 'dev', 'br0']);
  assert.equal((await dom0.admin(['reapply', 'vif1.0'])).status, 0);
  await dom0.ns.check(['nft', 'flush', 'ruleset']);
  assert.equal((await dom0.admin(['repair'])).status, 0);
  assert.match(await dom0.ruleset(), new RegExp(`own-gateway \\{[^}]*vif1\\.0 \\. ${G.mac}`));
  const { status, stdout } = await dom0.admin(['verify', 'vif1.0']);
  assert.equal(status, 0, stdout);
  // Nothing is left of it where the policy says it no more.
  writeFileSync(join(dom0.folder, 'vif-bridge.ini'), '');
  assert.equal((await dom0.admin(['reapply', 'vif1.0'])).status, 0);
  assert.doesNotMatch(await dom0.ruleset(), /guest\/gateways|own-gateway \{[^}]*vif1/);
  // Of a gateway that nobody knows, a guest that runs goes on as before; only its own run says so.
  writeFileSync(join(dom0.folder, 'vif-bridge.ini'), `[mac ${A.mac}]\ngateways = ${X.ip}\n`);
  await dom0.ns.check(['nft', 'flush', 'ruleset']);
  await dom0.start(GUEST_V);
  assert.match(await dom0.ruleset(), /own-mac \{[^}]*vif1/);
  assert.doesNotMatch(await dom0.ruleset(), /own-gateway \{[^}]*vif1|gated \{[^}]*vif1/);
  const refused = await dom0.admin(['reapply', 'vif1.0']);
  assert.equal(refused.status, 1);
  assert.match(refused.stderr, /no MAC address of .* is known/);
  assert.match(await dom0.ruleset(), /own-mac \{[^}]*vif1/);
});
