import { leftovers } from '../leftovers.ts';
import { atGateway, BRIDGE, makeNetwork } from '../network.ts';
import { configure, createA, createV, vifOf } from '../people.ts';
import type { Scenario } from '../scenario.ts';
import { checkPicture, sendCorpus } from '../traffic.ts';

/** vifname= renames the interface, jumbo frames pass: neither may weaken the filter. */
export const namesAndMtu: Scenario = {
  name: 'names-and-mtu',
  script: 'product',
  minutes: 6,
  play: async (host, record) => {
    const { A } = host.corpus.hosts;
    await makeNetwork(host);
    await host.sh(`ip link set up0 mtu 9000; ip -n gw link set eth0 mtu 9000; ip link set ${BRIDGE} mtu 9000`);
    const a = await createA(host, { vifs: [vifOf(host, 'A', 'vifname=web0', 'mtu=9000')] });
    const v = await createV(host, { vifs: [vifOf(host, 'V')] });
    const link = await host.sh(`ip -o link show web0; ip -o link show vif$(xl domid v).0`);
    record.check(
      'the interface has the name of vifname= and its own MTU',
      /web0: .* mtu 9000 .*master xenbr0/.test(link),
      link,
    );
    record.check('a vif without mtu= gets that of the bridge', /vif\d+\.0: .* mtu 9000 /.test(link), link);
    checkPicture(host, record, await sendCorpus(host, a, v, 'web0'));

    await configure(host, a, 'A');
    await a.sh('ip link set eth0 mtu 9000');
    const ping = await host.run(atGateway(`ping -M do -s 8900 -c 2 -W 5 ${A.ipv4}`), 30);
    record.check('jumbo frames reach the guest and come back', ping.status === 0, ping.stdout);
    await host.sh('xl destroy a; xl destroy v');
    const named = 'ls -d /sys/class/net/web0 2>/dev/null; bridge link | grep -o web0; true';
    const rest = (await leftovers(host)) + (await host.sh(named));
    record.check('nothing is left after xl destroy', rest === '', rest);
  },
};
