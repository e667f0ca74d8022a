import { leftovers } from '../leftovers.ts';
import { makeNetwork } from '../network.ts';
import { configure, createA, createV, pingFrom, vifOf } from '../people.ts';
import type { Scenario } from '../scenario.ts';
import { checkPicture, sendCorpus } from '../traffic.ts';

/** A fully virtualised guest has two ports with one MAC; it uses the emulated card, behind the tap of its device model. */
export const hvm: Scenario = {
  name: 'hvm',
  script: 'product',
  minutes: 15,
  play: async (host, record) => {
    await makeNetwork(host);
    const v = await createV(host);
    const a = await createA(host, { hvm: true, vifs: [vifOf(host, 'A', 'model=e1000')] });
    const vif = `vif${(await host.sh('xl domid a')).trim()}.0`;
    const ports = await host.sh(`bridge link | grep -o '${vif}[-a-z]*'; ls -d /sys/class/net/${vif}*`);
    record.check(
      'both its ports exist, the tap is on the bridge',
      ports.includes(`${vif}-emu\n`) && ports.includes(`/${vif}\n`),
      ports,
    );
    const driver = await a.sh('basename $(readlink /sys/class/net/eth0/device/driver)');
    record.check('the guest uses the emulated card', driver === 'e1000', driver);
    checkPicture(host, record, await sendCorpus(host, a, v, `${vif}-emu`), 'from the emulated card');
    await configure(host, a, 'A');
    for (const address of [host.corpus.hosts.G.ipv4, host.corpus.hosts.G.ipv6]) {
      const trouble = await pingFrom(a, address);
      record.check(`the guest pings ${address}`, trouble === '', trouble);
    }
    await host.sh('xl destroy a; xl destroy v');
    const rest = await leftovers(host);
    record.check('nothing is left of either port', rest === '', rest);
  },
};
