import { BRIDGE, makeNetwork, scriptPath } from '../network.ts';
import { configure, createA, createV, pingFrom } from '../people.ts';
import type { Scenario } from '../scenario.ts';

/** `vlan=` on a bridge that filters VLANs. This xl (4.17) has no such key: xenstore gets it, as newer ones write it. */
export const vlan: Scenario = {
  name: 'vlan',
  script: 'product',
  minutes: 6,
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

    const trunk = await host.run(`xenstore-write ${key} 10p/20; ${reapply}`, 60);
    record.check(
      'VLANs with tags are refused, and nothing changes',
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
