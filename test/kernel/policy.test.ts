/** A policy file with sections, on a running host: who it is about, when it is taken in, and what a broken one does. */
import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { CORPUS } from './corpus.ts';
import { type Dom0, obstacle, openDom0 } from './dom0.ts';
import { A, V } from './frames.ts';
import { GUEST_A, GUEST_V, openGuests, testFrames } from './verdict.ts';

const skip = obstacle();

const POLICY = '[defaults]\nno_ip = deny\n[guest web*]\nno_ip = mac-only\n[bridge br0]\nno_ip = unrestricted\n';

/** What each port may do, as status says it. */
async function modes(dom0: Dom0): Promise<Record<string, string | undefined>> {
  return Object.fromEntries((await dom0.status()).map(({ name, mode }) => [name, mode]));
}

async function started(t: test.TestContext, names: readonly string[]): Promise<Dom0> {
  const dom0 = await openDom0(t, { policy: POLICY });
  for (const [index, name] of names.entries()) {
    await dom0.start({ domid: index + 1, name });
  }
  return dom0;
}

if (!skip) {
  testFrames('guests whose addresses the policy gives', CORPUS, (t) =>
    openGuests(
      t,
      { ...GUEST_A, ip: `${A.ip6} ${V.ip}` },
      { ...GUEST_V, ip: V.ip },
      { policy: `[mac ${A.mac}]\nip = ${A.ip} ${A.ip6}\n[guest guest2]\nip += ${V.ip6}\n` },
    ),
  );
}

test('policy with sections', { skip, concurrency: 2 }, async (t) => {
  await t.test('a section holds for its guest, from online on, also one that is coming in', async (t) => {
    const dom0 = await started(t, ['web1', 'db1', 'web2--incoming']);
    assert.deepEqual(await modes(dom0), { 'vif1.0': 'mac-only', 'vif2.0': 'unrestricted', 'vif3.0': 'mac-only' });
  });

  await t.test('a guest that was renamed, and a changed file, are taken in by reapply, of one or of all', async (t) => {
    const dom0 = await started(t, ['web1', 'db1']);
    dom0.store.load({ '/local/domain/1/name': 'old', '/local/domain/2/name': 'web7' });
    assert.equal((await dom0.admin(['reapply', 'vif1.0'])).status, 0);
    assert.deepEqual(await modes(dom0), { 'vif1.0': 'unrestricted', 'vif2.0': 'unrestricted' });
    assert.equal((await dom0.admin(['reapply', '--all'])).status, 0);
    assert.deepEqual(await modes(dom0), { 'vif1.0': 'unrestricted', 'vif2.0': 'mac-only' });
    mkdirSync(join(dom0.folder, 'vif-bridge.d'));
    writeFileSync(join(dom0.folder, 'vif-bridge.d', 'old.ini'), '[guest old]\nno_ip = deny\n');
    assert.equal((await dom0.admin(['reapply', '--all'])).status, 0);
    assert.deepEqual(await modes(dom0), { 'vif1.0': 'deny', 'vif2.0': 'mac-only' });
    // Who looks is told before.
    assert.doesNotMatch((await dom0.admin(['status'])).stdout, /has changed since/);
    dom0.store.load({ '/local/domain/1/name': 'web1' });
    assert.match(
      (await dom0.admin(['status', 'vif1.0'])).stdout,
      /what the policy says of it has changed since \(mode\), and it goes on as it was loaded: vif-bridge reapply vif1\.0/,
    );
    assert.equal((await dom0.admin(['verify', 'vif1.0'])).status, 1);
  });

  await t.test('ip and mode of a running guest are taken in by reapply, and shown', async (t) => {
    const dom0 = await openDom0(t);
    await dom0.start({ domid: 1, name: 'web1', ip: '10.0.0.11' });
    const lay = async (text: string): Promise<[string, readonly string[], readonly string[]]> => {
      writeFileSync(join(dom0.folder, 'vif-bridge.ini'), text);
      assert.equal((await dom0.admin(['reapply', 'vif1.0'])).status, 0);
      const [port] = await dom0.status();
      return [port?.mode ?? '', port?.addresses ?? [], port?.open ?? []];
    };
    const [mode, addresses] = await lay('[guest web1]\nip += 10.0.0.12\n');
    assert.deepEqual([mode, addresses], ['addresses', ['10.0.0.11', '10.0.0.12']]);
    const two = await dom0.ruleset();
    assert.deepEqual((await lay('[guest web1]\nip = 10.0.0.12\n'))[1], ['10.0.0.12']);
    assert.notEqual(await dom0.ruleset(), two);
    assert.doesNotMatch(await dom0.ruleset(), /10\.0\.0\.11/);
    const [open, , why] = await lay('[guest web1]\nmode = unlocked\n');
    assert.deepEqual([open, why], ['unrestricted', ['not filtered: mode = unlocked']]);
    const [closed, , cut] = await lay('[guest web1]\nmode = disabled\n');
    assert.deepEqual([closed, cut], ['deny', ['cut off: mode = disabled']]);
    const [again] = await lay('');
    assert.equal(again, 'addresses');
  });

  await t.test('a repair of what all share keeps to the names that were known', async (t) => {
    const dom0 = await started(t, ['web1']);
    await dom0.ns.check(['nft', 'flush', 'ruleset']);
    await dom0.start({ domid: 2, name: 'db1' });
    const rules = await dom0.ruleset();
    assert.match(rules, /vif1\.0/);
    assert.deepEqual(await modes(dom0), { 'vif1.0': 'mac-only', 'vif2.0': 'unrestricted' });
  });

  await t.test('a name that cannot be read keeps a new vif closed where guests have sections', async (t) => {
    const dom0 = await openDom0(t, { policy: POLICY });
    dom0.configure({ domid: 1 });
    dom0.store.remove('/local/domain/1/name');
    await dom0.bench.addVif('vif1.0');
    assert.equal((await dom0.hotplug('online', { domid: 1 })).status, 1);
    assert.match(dom0.key(1, 'hotplug-error') ?? '', /the name of guest 1 cannot be read/);
    assert.equal((await dom0.link('vif1.0'))?.flags.includes('UP'), false);
  });

  await t.test('a broken file beside it: new vifs stay closed, running ones as they are, offline works', async (t) => {
    const dom0 = await started(t, ['web1', 'web2']);
    mkdirSync(join(dom0.folder, 'vif-bridge.d'));
    writeFileSync(join(dom0.folder, 'vif-bridge.d', 'x.ini'), '[guest web1]\nno-ip = unrestricted\n');
    const before = [await dom0.ruleset(), await modesWithoutPolicy(dom0)];

    const reapplied = await dom0.admin(['reapply', '--all']);
    assert.equal(reapplied.status, 1);
    assert.match(reapplied.stderr, /unknown key "no-ip"\nat +.*vif-bridge\.d\/x\.ini:2\nhint: +did you mean no_ip\?/);
    const checked = await dom0.admin(['policy', 'check']);
    assert.deepEqual([checked.status, /x\.ini:2: unknown key/.test(checked.stdout)], [1, true]);
    assert.deepEqual([await dom0.ruleset(), await modesWithoutPolicy(dom0)], before);

    dom0.configure({ domid: 3, name: 'web3' });
    await dom0.bench.addVif('vif3.0');
    assert.equal((await dom0.hotplug('online', { domid: 3 })).status, 1);
    assert.match(dom0.key(3, 'hotplug-error') ?? '', /unknown key/);
    assert.equal((await dom0.link('vif3.0'))?.flags.includes('UP'), false);

    assert.equal((await dom0.hotplug('offline', { domid: 2 })).status, 0);
    assert.equal((await dom0.link('vif2.0'))?.master, undefined);
    assert.equal((await dom0.link('vif1.0'))?.master, 'br0');
  });

  await t.test('a filter that is broken closes nobody who runs: what would is refused, and says whom', async (t) => {
    const dom0 = await openDom0(t);
    const write = (filter: string, more = ''): void => {
      writeFileSync(join(dom0.folder, 'one.xml'), filter);
      writeFileSync(
        join(dom0.folder, 'vif-bridge.ini'),
        `[defaults]\nnwfilter_dir = ${dom0.folder}\n${more}[guest guest1]\nnwfilter = one\n`,
      );
    };
    write("<filter name='one' chain='root'><rule action='drop' direction='in'><udp/></rule></filter>");
    await dom0.start({ ...GUEST_A, name: 'guest1' });
    const filtered = async (): Promise<boolean> => /filtered-in \{[^}]*vif1\.0/.test(await dom0.ruleset());
    write('<filter', 'unmanaged = closed\n');
    dom0.configure({ ...GUEST_V, name: 'guest2' });
    await dom0.bench.addVif('vif2.0');
    assert.equal((await dom0.hotplug('online', { domid: 2 })).status, 1);
    assert.match(dom0.key(2, 'hotplug-error') ?? '', /vif1\.0 would be closed by it: .*one\.xml/);
    assert.equal(await filtered(), true);
    const told = /cannot be followed.*: .*one\.xml/;
    assert.match((await dom0.admin(['status', 'guest1'])).stdout, told);
    assert.match((await dom0.admin(['doctor'])).stdout, told);
    const checked = await dom0.admin(['policy', 'check']);
    assert.deepEqual([checked.status, /vif-bridge\.ini:5: .*one\.xml/.test(checked.stdout)], [1, true], checked.stdout);
    // Where nobody is filtered any more, he is better closed.
    await dom0.ns.check(['nft', 'flush', 'ruleset']);
    assert.equal((await dom0.hotplug('online', { domid: 2 })).status, 0);
    assert.doesNotMatch(await dom0.ruleset(), /own-mac \{[^}]*vif1\.0/);
  });

  for (const backend of ['nftables', 'ebtables'] as const) {
    await t.test(`a broken file and a guest that leaves: what runs goes on as it was, ${backend}`, async (t) => {
      const gaps = backend === 'nftables' ? '' : 'ebtables_gaps = ip-form ip-opt igmp-type icmp-quote\n';
      const policy =
        `[defaults]\nbackend = ${backend}\nunmanaged = closed\n${gaps}[rules web]\nin drop\nout allow udp 9 stateless\nout drop\n` +
        `[guest guest1]\nrules = web\nip += 10.0.0.77\n[guest guest2]\nmode = disabled\n`;
      const dom0 = await openGuests(t, { ...GUEST_A, name: 'guest1' }, { ...GUEST_V, name: 'guest2' }, { policy });
      await dom0.start({ domid: 3, name: 'guest3', ip: '10.0.0.13' });
      const nftables = backend === 'nftables';
      const shown = async (): Promise<string> => {
        if (nftables) return dom0.ruleset();
        const tables = [await dom0.ns.check(['ebtables', '-t', 'nat', '-L']), await dom0.ns.check(['ebtables', '-L'])];
        return tables.join('');
      };
      /** What the broken file would make otherwise. */
      const kept = async (): Promise<unknown> => {
        const text = await shown();
        if (!nftables) return text;
        const has = [/own-ip \{[^}]*vif1\.0[^}]*10\.0\.0\.77/, /denied \{[^}]*vif2\.0/, /ruled-in \{[^}]*vif1\.0/];
        return [/chain (base\S+)/.exec(text)?.[1], ...has.map((one) => one.test(text)), /drop-unmanaged/.test(text)];
      };
      const before = await kept();
      const told = await dom0.status();
      writeFileSync(join(dom0.folder, 'vif-bridge.ini'), `${policy}mode = what\n`);
      assert.equal((await dom0.hotplug('offline', { domid: 3 })).status, 0);
      assert.equal((await dom0.link('vif3.0'))?.master, undefined);
      assert.deepEqual(await kept(), before);
      if (nftables) assert.doesNotMatch(await shown(), /own-mac \{[^}]*vif3\.0/);
      await dom0.ns.check(['ip', 'link', 'delete', 'vif3.0']);
      const status = await dom0.admin(['status', '--json']);
      assert.equal(status.status, 2);
      assert.match(status.stderr, /mode = "what" is not possible/);
      assert.match(status.stderr, /vifs that run go on as they were loaded, and new ones stay closed/);
      const ports: typeof told = JSON.parse(status.stdout);
      const brief = (all: typeof told): unknown =>
        all
          .filter(({ name }) => name !== 'vif3.0')
          .map(({ name, state, mode, addresses, rules }) => [
            name,
            state,
            mode,
            addresses.includes('10.0.0.77'),
            rules.length,
          ]);
      assert.deepEqual(brief(ports), brief(told));
      assert.match((await dom0.admin(['verify'])).stderr, /mode = "what" is not possible/);
      const doctor = await dom0.admin(['doctor']);
      assert.match(doctor.stdout, /error: mode = "what" is not possible/);
      // Nothing is left once it is right.
      writeFileSync(join(dom0.folder, 'vif-bridge.ini'), policy);
      assert.equal((await dom0.admin(['repair'])).status, 0);
      assert.doesNotMatch(await shown(), /vif3\.0/);
      assert.equal((await dom0.admin(['verify'])).status, 0);
    });
  }
});

/** Links alone: `status` needs a policy too. */
async function modesWithoutPolicy(dom0: Dom0): Promise<unknown> {
  const links = await Promise.all(['vif1.0', 'vif2.0'].map((name) => dom0.link(name)));
  return links.map((link) => [link?.master, link?.flags.includes('UP')]);
}
