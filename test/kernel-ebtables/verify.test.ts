/** Of ebtables `verify` tells each rule that is not ours, is missing, or is in another place; repair puts it right. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { type Dom0, obstacle } from '../kernel/dom0.ts';
import { A, frame, G, ip4, TYPE, udp, V } from '../kernel/frames.ts';
import { openGuests } from '../kernel/verdict.ts';
import { verified } from '../kernel/verified.ts';

const skip = obstacle();

/** What somebody does, as arguments of ebtables, and what is told of vif1.0 or of all. */
interface Harm {
  readonly name: string;
  readonly commands: readonly string[];
  readonly says: readonly (string | RegExp)[];
}

const HARM: readonly Harm[] = [
  {
    name: 'a rule of somebody else that lets all pass',
    commands: ['nat -I vif1.0-in 1 -p IPv4 -j ACCEPT'],
    says: ['vif1.0 rules vif1.0-in: null -> -p IPv4 -j ACCEPT'],
  },
  {
    name: 'a rule that is gone',
    commands: ['nat -D vif1.0-in 1'],
    says: [/^vif1\.0 rules vif1\.0-in: [-!].* -> null$/],
  },
  {
    name: 'another rule in the place of ours',
    commands: ['nat -D vif1.0-in 1', 'nat -I vif1.0-in 1 -j CONTINUE'],
    says: [/^vif1\.0 rules vif1\.0-in: [-!].* -> null$/, 'vif1.0 rules vif1.0-in: null -> -j CONTINUE'],
  },
  {
    name: 'its port leads nowhere',
    commands: ['nat -D xen-vif/in-ports -i vif1.0 -j vif1.0-in'],
    says: ['vif1.0 rules xen-vif/in-ports: -i vif1.0 -j vif1.0-in -> null'],
  },
  {
    name: 'its port is let pass before it is asked',
    commands: ['nat -I xen-vif/in-ports 1 -i vif1.0 -j ACCEPT'],
    says: ['vif1.0 rules xen-vif/in-ports: null -> -i vif1.0 -j ACCEPT'],
  },
  {
    name: 'a rule in front of ours, of all ports',
    commands: ['nat -I PREROUTING 1 -s 00:16:3e:00:00:01 -j ACCEPT'],
    says: [/^all rules nat PREROUTING: null -> -s 0?0:16:3e:.* -j ACCEPT \(in front of ours\)$/],
  },
  {
    name: 'frames to link-local groups are let in',
    commands: ['filter -D xen-vif/in -i vif1.0 -j DROP'],
    says: ['vif1.0 rules filter xen-vif/in: -i vif1.0 -j DROP -> null'],
  },
  {
    name: 'a whole chain is gone',
    commands: ['nat -D xen-vif/out-ports -o vif1.0 -j vif1.0-out', 'nat -F vif1.0-out', 'nat -X vif1.0-out'],
    says: [
      'vif1.0 rules vif1.0-out: the whole chain -> null',
      'vif1.0 rules xen-vif/out-ports: -o vif1.0 -j vif1.0-out -> null',
    ],
  },
];

test('verify and repair of one vif with ebtables', { skip }, async (t) => {
  const dom0 = await openGuests(t, undefined, undefined, { policy: '[defaults]\nbackend = ebtables\n' });
  await t.test('all is well at first', async () => {
    assert.deepEqual(await verified(dom0).then(({ status, lines }) => [status, lines]), [0, []]);
    assert.deepEqual(await verified(dom0, 'vif1.0').then(({ status, lines }) => [status, lines]), [0, []]);
  });
  for (const { name, commands, says } of HARM) {
    await t.test(name, async () => {
      for (const command of commands) await dom0.ns.check(['ebtables', '-t', ...command.split(' ')]);
      for (const names of [['vif1.0'], []]) {
        const { status, lines } = await verified(dom0, ...names);
        assert.equal(status, 1, lines.join('\n'));
        assert.equal(lines.length, says.length, lines.join('\n'));
        for (const one of says)
          assert.ok(
            lines.some((line) => matches(line, one)),
            `${one}: ${lines.join('\n')}`,
          );
      }
      const strangers = says.every((one) => String(one).includes('all rules')) ? 1 : 0;
      assert.equal((await verified(dom0, 'vif2.0')).status, strangers);
      assert.equal((await dom0.admin(['repair', 'vif1.0'])).status, 0);
      assert.deepEqual(await verified(dom0).then(({ status, lines }) => [status, lines]), [0, []]);
    });
  }
  await t.test('the order of rules counts', async () => {
    const chain = 'vif1.0-in';
    const rules = await rulesOf(dom0, chain);
    const [first = ''] = rules;
    assert.ok(rules.length > 2);
    await dom0.ns.check(['ebtables', '-t', 'nat', '-D', chain, '1']);
    await dom0.ns.check(['ebtables', '-t', 'nat', '-A', chain, ...first.split(' ')]);
    const { status, lines } = await verified(dom0);
    assert.equal(status, 1);
    assert.deepEqual(lines.sort(), [
      `vif1.0 rules ${chain}: ${first} -> null`,
      `vif1.0 rules ${chain}: null -> ${first}`,
    ]);
    assert.equal((await dom0.admin(['repair'])).status, 0);
    assert.deepEqual(await rulesOf(dom0, chain), rules);
    assert.equal((await verified(dom0)).status, 0);
  });
  await t.test('no frame of a neighbour is lost while it is repaired', async () => {
    const own = frame(G.mac, V.mac, TYPE.ip, ip4({ src: V.ip, dst: G.ip }, udp(9, 9)));
    const wire = await dom0.openWire(['guest2.0', 'gw0']);
    await wire.send('gw0', `${'ff'.repeat(6)}${G.mac.replaceAll(':', '')}88b5`);
    await wire.collect();
    await dom0.ns.check(['ebtables', '-t', 'nat', '-I', 'vif1.0-in', '1', '-j', 'ACCEPT']);
    let repaired = false;
    const repairing = dom0.admin(['repair', 'vif1.0']).finally(() => {
      repaired = true;
    });
    let sent = 0;
    while (!repaired) {
      await wire.send('guest2.0', own);
      sent += 1;
    }
    assert.equal((await repairing).status, 0);
    const arrived = (await wire.collect()).filter(({ iface, hex }) => iface === 'gw0' && hex === own).length;
    assert.ok(sent > 20);
    assert.equal(arrived, sent);
  });
});

test('every opt-in, rules, many MACs, and who is only observed: what is loaded is what is told', {
  skip,
}, async (t) => {
  const policy = [
    '[defaults]\nbackend = ebtables',
    '[rules web]\nin allow tcp 80,443 stateless\nin allow icmp stateless\nin drop\nout allow udp 53 stateless\nout allow tcp stateless\nout drop',
    `[mac ${A.mac}]\nrules = web\nextra_macs = 00:16:3e:00:01:00+3\nroutes = 198.51.100.0/28 2001:db8:1::/56`,
    'allow = vrrp carp hsrp routing tunnels dhcp-server dhcp6-server dhcp-relay forwarding lldp proxy-arp',
    `[mac ${V.mac}]\nmode = observe`,
    '',
  ].join('\n');
  const dom0 = await openGuests(t, undefined, undefined, { policy });
  assert.deepEqual(await verified(dom0).then(({ status, lines }) => [status, lines]), [0, []]);
  await dom0.start({ domid: 3, mac: '00:16:3e:00:00:33', ip: '', vifname: 'web0' });
  assert.deepEqual(await verified(dom0).then(({ status, lines }) => [status, lines]), [0, []]);
  await dom0.hotplug('offline', { domid: 1 });
  assert.deepEqual(await verified(dom0, 'web0').then(({ status, lines }) => [status, lines]), [0, []]);
});

function matches(line: string, wanted: string | RegExp): boolean {
  return typeof wanted === 'string' ? line === wanted : wanted.test(line);
}

async function rulesOf(dom0: Dom0, chain: string): Promise<string[]> {
  const text = await dom0.ns.check(['ebtables', '-t', 'nat', '-L', chain]);
  return text.split('\n').flatMap((line) => (/^[-!]/.test(line) ? [line.trim()] : []));
}
