import {
  ALL,
  arp,
  frame,
  G as GATEWAY,
  A as GUEST,
  groupMac,
  icmp6,
  ip4,
  ip6,
  lla,
  ndBody,
  solicited,
  TYPE,
  udp,
  V,
} from '../../kernel/frames.ts';
import type { Guest } from '../guest.ts';
import { atGateway, BRIDGE, makeNetwork, scriptPath } from '../network.ts';
import { configure, createA, createV, pingFrom } from '../people.ts';
import type { Record } from '../report.ts';
import type { Scenario } from '../scenario.ts';
import type { XenHost } from '../xen-host.ts';

/** A frame by its name; what is told of it at the other end is what is behind the tag, so each has another content. */
interface Tagged {
  readonly id: string;
  readonly tag: string;
  readonly hex: string;
  readonly passes: boolean;
}

const v4 = (src: string, content: string): string =>
  frame(GATEWAY.mac, GUEST.mac, TYPE.ip, ip4({ src }, udp(9, 9, Buffer.from(content))));
const neighbour = { src: GUEST.ip6, dst: solicited(GATEWAY.ip6), hops: 255 };
const nd = (mac: string): string =>
  frame(
    groupMac(neighbour.dst),
    GUEST.mac,
    TYPE.ip6,
    ip6({ ...neighbour, next: 58 }, icmp6(neighbour, 135, 0, ndBody(GATEWAY.ip6, lla(1, mac)))),
  );

/** 0x0f is VLAN 15: A has 15 to 20, and 10 without a tag. */
const FROM_A: readonly Tagged[] = [
  { id: 'own-ip', tag: '8100000f', hex: v4(GUEST.ip, 'own-ip'), passes: true },
  { id: 'own-ip-20', tag: '81000014', hex: v4(GUEST.ip, 'own-ip-20'), passes: true },
  { id: 'own-arp', tag: '8100000f', hex: frame(ALL, GUEST.mac, TYPE.arp, arp({})), passes: true },
  { id: 'own-nd', tag: '8100000f', hex: nd(GUEST.mac), passes: true },
  { id: 'other-ip', tag: '8100000f', hex: v4(V.ip, 'other-ip'), passes: false },
  { id: 'other-arp', tag: '8100000f', hex: frame(ALL, GUEST.mac, TYPE.arp, arp({ spa: GATEWAY.ip })), passes: false },
  { id: 'other-sha', tag: '8100000f', hex: frame(ALL, GUEST.mac, TYPE.arp, arp({ sha: V.mac })), passes: false },
  { id: 'other-nd', tag: '8100000f', hex: nd(V.mac), passes: false },
  { id: 'vlan-25', tag: '81000019', hex: v4(GUEST.ip, 'vlan-25'), passes: false },
  { id: 'vlan-10', tag: '8100000a', hex: v4(GUEST.ip, 'vlan-10'), passes: false },
  { id: 'vlan-0', tag: '81000000', hex: v4(GUEST.ip, 'vlan-0'), passes: false },
  { id: '802.1ad', tag: '88a8000f', hex: v4(GUEST.ip, '802.1ad'), passes: false },
];
const toA = (content: string, dst = GUEST.ip): string =>
  frame(GUEST.mac, GATEWAY.mac, TYPE.ip, ip4({ src: GATEWAY.ip, dst }, udp(9, 9, Buffer.from(content))));
const TO_A: readonly Tagged[] = [
  { id: 'to-own', tag: '8100000f', hex: toA('to-own'), passes: true },
  { id: 'to-25', tag: '81000019', hex: toA('to-25'), passes: false },
  { id: 'to-other', tag: '8100000f', hex: toA('to-other', V.ip), passes: false },
];
const wrong = (seen: string, all: readonly Tagged[]): string =>
  all
    .filter(({ id, passes }) => new RegExp(`^\\d+ ${id}$`, 'm').test(seen) !== passes)
    .map(({ id, passes }) => `${id} ${passes ? 'is lost' : 'arrives'}`)
    .join('\n');

/** Frames with tags, both ways: what of them arrives that must not, and the other way round. */
async function sendTagged(host: XenHost, a: Guest): Promise<{ fromA: string; toA: string }> {
  const write = (all: readonly Tagged[], tagged: boolean, file: string): string =>
    `printf '%s\\n' ${all
      .map(({ id, tag, hex }) => `'${id} ${tagged ? `${hex.slice(0, 24)}${tag}${hex.slice(24)}` : hex}'`)
      .join(' ')} >${file}`;
  for (const [all, file] of [
    [FROM_A, '/run/from-a'],
    [TO_A, '/run/to-a'],
  ] as const) {
    await host.sh(`${write(all, false, file)}; ${write(all, true, `${file}-tagged`)}`);
    await a.sh(`${write(all, false, file.replace('/run', '/tmp'))}`);
    await a.sh(`${write(all, true, `${file.replace('/run', '/tmp')}-tagged`)}`);
  }
  const watch = (device: string, file: string, seen: string): string =>
    `frames watch ${device} ${file} promiscuous >${seen} 2>&1 & echo $! >${seen}.pid; until grep -q watching ${seen}; do sleep 0.1; done`;
  const ids = (all: readonly Tagged[]): string => all.map(({ id }) => id).join(' ');
  await host.sh(atGateway(`sh -c '${watch('eth0', '/run/from-a-tagged', '/run/seen-from-a')}'`), 20);
  await a.sh(`frames send eth0 /tmp/from-a-tagged ${ids(FROM_A)}; sleep 1`);
  const fromA = await host.sh('kill $(cat /run/seen-from-a.pid); cat /run/seen-from-a');
  await a.sh(watch('eth0', '/tmp/to-a-tagged', '/tmp/seen-to-a'));
  await host.sh(atGateway(`frames send eth0 /run/to-a-tagged ${ids(TO_A)}; sleep 1`));
  const seen = await a.sh("kill $(cat /tmp/seen-to-a.pid); grep -v '?' /tmp/seen-to-a; true");
  return { fromA: wrong(fromA, FROM_A), toA: wrong(seen, TO_A) };
}

/** `allow = vlan:15-20`, beside frames without a tag in VLAN 10. */
async function playTrunk(host: XenHost, a: Guest, record: Record): Promise<void> {
  const product = scriptPath(host, 'product');
  const vif = `vif${(await host.sh('xl domid a')).trim()}.0`;
  const policy = (allow: string): string =>
    `mkdir -p /etc/xen; printf '[mac ${GUEST.mac}]\\nallow = ${allow}\\n' >/etc/xen/vif-bridge.ini`;
  await host.sh('for id in 15 20 25; do bridge vlan add dev up0 vid $id; done');
  const given = await host.run(`${policy('vlan:15-18 vlan:19-20')}; ${product} reapply ${vif}`, 60);
  const vlans = await host.sh(`bridge vlan show dev ${vif}`);
  record.check(
    'its port is in VLANs 15 to 20 with tags, and in 10 without',
    given.status === 0 &&
      [15, 20].every((id) => new RegExp(`\\s${id}\\s*$`, 'm').test(vlans)) &&
      /\s10 PVID/.test(vlans),
    `${given.stderr}${vlans}`,
  );
  const entries = await host.sh(`bridge fdb show dev ${vif}`);
  record.check('its MAC is held fast in each', /vlan 15 .*static/.test(entries), entries);
  const shown = await host.sh(`${product} status`);
  record.check('status says so', /in VLANs 15-20 of \S+, with tags/.test(shown), shown);

  const sent = await sendTagged(host, a);
  record.check('behind the tag of its VLANs what is its own leaves, and nothing else', sent.fromA === '', sent.fromA);
  record.check('and so of what it hears', sent.toA === '', sent.toA);
  const untagged = await pingFrom(a, GATEWAY.ip);
  record.check('without a tag it is where it was', untagged === '', untagged);

  await host.sh(`bridge vlan del dev ${vif} vid 16-17`);
  const status = await host.sh(`${product} status`);
  record.check(
    'status names VLANs that somebody took away',
    /tagged is 15 18-20 in place of 15-20/.test(status),
    status,
  );
  await host.run(`${product} reapply ${vif}`, 60);
  const mended = await host.sh(`bridge vlan show dev ${vif}`);
  record.check('reapply puts them back', /\s16\s*$/m.test(mended) && /\s17\s*$/m.test(mended), mended);

  const inPvid = await host.run(`${policy('vlan:5-15')}; ${product} reapply ${vif}`, 60);
  record.check(
    'the VLAN of its frames without a tag is refused in the list',
    inPvid.status !== 0 && /VLAN 10 is the one of its frames without a tag/.test(inPvid.stderr),
    inPvid.stderr,
  );
  await host.run(`${policy('none')}; ${product} reapply ${vif}`, 60);
  const after = await host.sh(`bridge vlan show dev ${vif}`);
  record.check('without the word its port is in none of them', !/\s(1[5-9]|20)\b/.test(after), after);
  await host.sh('rm -f /etc/xen/vif-bridge.ini');
}

/** `vlan=` on a bridge that filters VLANs. This xl (4.17) has no such key: xenstore gets it, as newer ones write it. */
export const vlan: Scenario = {
  name: 'vlan',
  script: 'product',
  minutes: 10,
  play: async (host, record) => {
    const { G } = host.corpus.hosts;
    await makeNetwork(host);
    await host.sh(`ip link set ${BRIDGE} type bridge vlan_filtering 1`);
    const a = await createA(host);
    const v = await createV(host);
    await configure(host, a, 'A');
    await configure(host, v, 'V');
    const before = await pingFrom(a, G.ipv4);
    record.check('without vlan= the guest is in the VLAN of the bridge', before === '', before);

    const key = '/local/domain/0/backend/vif/$(xl domid a)/0/vlan';
    const reapply = `${scriptPath(host, 'product')} reapply vif$(xl domid a).0`;
    await host.sh(`xenstore-write ${key} 10p; ${reapply}`);
    const vlans = await host.sh('bridge vlan show dev vif$(xl domid a).0');
    const entries = await host.sh('bridge fdb show dev vif$(xl domid a).0');
    record.check(
      'its port is in VLAN 10 alone, by frames without a tag',
      /\s10 PVID Egress Untagged\s*$/.test(vlans) && !/\s1( |\n|$)/.test(vlans),
      vlans,
    );
    record.check('its MAC is held fast there', /vlan 10 .*sticky.*static|vlan 10 .*static/.test(entries), entries);
    const apart = await host.run('ip netns exec gw ping -c 2 -W 2 10.0.0.11', 20);
    const reached = await a.sh(`ping -c 2 -W 2 ${G.ipv4}`).then(
      () => 'answered',
      () => '',
    );
    record.check('it reaches nobody of VLAN 1', reached === '', `${reached} ${apart.stdout}`);
    const neighbour = await pingFrom(v, G.ipv4);
    record.check('the guest beside it does', neighbour === '', neighbour);

    await host.sh('bridge vlan add dev up0 vid 10 pvid untagged; bridge vlan del dev up0 vid 1');
    const inside = await pingFrom(a, G.ipv4);
    record.check('it reaches the gateway in VLAN 10', inside === '', inside);

    await playTrunk(host, a, record);

    const trunk = await host.run(`xenstore-write ${key} 10p/20; ${reapply}`, 60);
    record.check(
      'VLANs with tags in vlan= are refused, and nothing changes',
      trunk.status !== 0 && /is not one VLAN/.test(trunk.stderr) && (await pingFrom(a, G.ipv4)) === '',
      trunk.stderr,
    );
    await host.sh(`ip link set ${BRIDGE} type bridge vlan_filtering 0`);
    const plain = await host.run(`xenstore-write ${key} 10; ${reapply}`, 60);
    record.check(
      'on a bridge that does not filter VLANs it is refused',
      plain.status !== 0 && /does not filter VLANs/.test(plain.stderr),
      plain.stderr,
    );
    await host.sh('xl destroy a; xl destroy v');
  },
};
