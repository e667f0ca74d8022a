/** A host that routes for its guests and whose FORWARD chain drops: because of Docker, or as its admin says. */
import assert from 'node:assert/strict';
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test, { type TestContext } from 'node:test';
import { type Dom0, obstacle } from './dom0.ts';
import { configureGuest, type Ping, pinger } from './routed-guest.ts';
import { OFFLINE, ONLINE, openRoutedSite, type RoutedSite } from './routed-site.ts';

const skip = obstacle() || (!existsSync('/usr/sbin/iptables') && 'needs iptables');
const MAC = '00:16:3e:00:00:01';
const OTHER = '00:16:3e:00:00:02';
const FILTERS = ['iptables', 'ip6tables'];

/** As Docker 20 has them, and a container at 172.17.0.2 that publishes nothing. */
const DOCKER = `for filter in iptables ip6tables; do
  $filter -P FORWARD DROP
  $filter -N DOCKER-USER
  $filter -A DOCKER-USER -j RETURN
  $filter -N DOCKER
  $filter -A FORWARD -j DOCKER-USER
  $filter -A FORWARD -o docker0 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
  $filter -A FORWARD -o docker0 -j DOCKER
  $filter -A FORWARD -i docker0 ! -o docker0 -j ACCEPT
  $filter -A FORWARD -i docker0 -o docker0 -j ACCEPT
done
`;

async function rules({ ns }: Dom0): Promise<string[]> {
  const texts = await Promise.all(FILTERS.map((filter) => ns.check([filter, '-S', 'FORWARD'])));
  return texts.flatMap((text, at) =>
    text.split('\n').flatMap((line) => (line.includes('vif-bridge:') ? [`${FILTERS[at]} ${line}`] : [])),
  );
}

interface Played {
  readonly site: RoutedSite;
  /** Who is answered: near and guest, both ways and both families; far; the other guest. */
  answered(): Promise<string[]>;
}

async function play(t: TestContext, ping: Ping, setup: string, policy = ''): Promise<Played> {
  const site = await openRoutedSite(t, { policy });
  const { dom0, near, far } = site;
  await dom0.ns.check(['sh', '-e'], { input: setup });
  await site.start({ domid: 1, mac: MAC, ip: '10.0.0.5 fd00::5' });
  await site.start({ domid: 2, mac: OTHER, ip: '10.0.0.6' });
  const [one, two] = [await site.guest('vif1.0', MAC), await site.guest('vif2.0', OTHER)];
  await configureGuest(site, one, 'vif1.0');
  await configureGuest(site, two, 'vif2.0');
  return {
    site,
    async answered() {
      const tries = [
        ['near 10.0.0.5', near, '10.0.0.5'],
        ['near fd00::5', near, 'fd00::5'],
        ['to near', one, '10.0.0.50'],
        ['to near, IPv6', one, 'fd00::50'],
        ['to the other guest', one, '10.0.0.6'],
        ['far 10.0.0.5', far, '10.0.0.5'],
      ] as const;
      const heard: string[] = [];
      for (const [what, from, to] of tries) if (await ping(from, to)) heard.push(what);
      return heard;
    },
  };
}

const NETWORK = ['near 10.0.0.5', 'near fd00::5', 'to near', 'to near, IPv6', 'to the other guest'];

async function found(dom0: Dom0): Promise<string[]> {
  const { stdout } = await dom0.admin(['verify', '--json']);
  const { vifs } = JSON.parse(stdout) as { vifs: { name: string; drift: { part: string; what: string }[] }[] };
  return vifs.flatMap(({ name, drift }) => drift.map(({ part, what }) => `${name} ${part} ${what}`));
}

async function silenced(dom0: Dom0): Promise<string[]> {
  return (await dom0.status()).flatMap((port) =>
    ((port as unknown as { notes?: { text: string }[] }).notes ?? []).flatMap(({ text }) =>
      text.includes('FORWARD') ? [`${port.name} ${text.split(' ')[0]}`] : [],
    ),
  );
}

test('auto: where Docker drops, a guest has its network, and no more', { skip }, async (t) => {
  const ping = await pinger(t);
  if (ping === undefined) return;
  const { site, answered } = await play(t, ping, DOCKER);
  const { dom0 } = site;
  assert.deepEqual(await answered(), NETWORK);
  const all = await rules(dom0);
  assert.equal(all.length, 3 + 3 + 3);
  // Once more puts no second one.
  assert.equal((await dom0.hotplug('online', { domid: 1 }, ONLINE)).status, 0);
  assert.equal((await dom0.admin(['reapply', '--all'])).status, 0);
  assert.deepEqual((await rules(dom0)).sort(), [...all].sort());
  assert.deepEqual([await silenced(dom0), await found(dom0)], [[], []]);

  // Somebody takes one of them out, or all.
  await dom0.ns.check(['sh', '-e'], {
    input: "iptables -S FORWARD | sed -n 's/^-A\\(.* -i vif1.0 -o br0 .*\\)/-D\\1/p' | xargs iptables\n",
  });
  assert.deepEqual(await silenced(dom0), ['vif1.0 iptables']);
  assert.deepEqual(await found(dom0), ['vif1.0 host iptables FORWARD']);
  assert.equal((await dom0.admin(['verify'])).status, 1);
  assert.match((await dom0.admin(['doctor'])).stdout, /vif1\.0: iptables drops its packets in the chain FORWARD/);
  assert.equal((await dom0.admin(['repair', 'vif1.0'])).status, 0);
  assert.deepEqual((await rules(dom0)).sort(), [...all].sort());
  assert.deepEqual(await answered(), NETWORK);

  assert.equal((await dom0.hotplug('offline', { domid: 1 }, OFFLINE)).status, 0);
  assert.deepEqual(
    (await rules(dom0)).filter((rule) => rule.includes('vif1.0')),
    [],
  );
  assert.equal((await rules(dom0)).length, 3);
  // One that vanished without an offline leaves nothing either.
  await dom0.ns.check(['ip', 'link', 'del', 'vif2.0']);
  assert.equal((await dom0.admin(['reapply', '--all'])).status, 0);
  assert.deepEqual(await rules(dom0), []);
});

test("auto: a firewall of the host's own keeps its say", { skip }, async (t) => {
  const ping = await pinger(t);
  if (ping === undefined) return;
  const own = `iptables -P FORWARD DROP
    iptables -A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
    iptables -A FORWARD -i br0 -d 10.0.0.5 -p icmp -j ACCEPT
    ip6tables -P FORWARD DROP\n`;
  const { site, answered } = await play(t, ping, own);
  const { dom0 } = site;
  assert.deepEqual(await answered(), ['near 10.0.0.5']);
  assert.deepEqual([await rules(dom0), await silenced(dom0), await found(dom0)], [[], [], []]);
  assert.match(
    (await dom0.admin(['doctor'])).stdout,
    /routed guests pass the chain FORWARD of iptables, ip6tables by its own rules alone/,
  );
  // Its admin may say so: behind what he says himself.
  writeFileSync(join(dom0.folder, 'vif-bridge.ini'), '[defaults]\nhost_accept = yes\n');
  assert.equal((await dom0.admin(['reapply', '--all'])).status, 0);
  assert.deepEqual(await answered(), [...NETWORK, 'far 10.0.0.5']);
  writeFileSync(join(dom0.folder, 'vif-bridge.ini'), '[defaults]\nhost_accept = no\n');
  assert.equal((await dom0.admin(['reapply', '--all'])).status, 0);
  assert.deepEqual([await rules(dom0), await answered()], [[], ['near 10.0.0.5']]);
});

test('auto: nothing is put where nothing drops, and no table of iptables is made by a look', { skip }, async (t) => {
  const ping = await pinger(t);
  if (ping === undefined) return;
  const { site, answered } = await play(t, ping, '');
  assert.deepEqual(await answered(), [...NETWORK, 'far 10.0.0.5']);
  assert.equal(
    await site.dom0.ns.check(['nft', 'list', 'tables']),
    'table netdev xen-vif-route\ntable inet xen-vif-route\n',
  );
});
