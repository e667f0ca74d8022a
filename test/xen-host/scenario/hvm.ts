import { create, guestNamed } from '../guest.ts';
import { leftovers } from '../leftovers.ts';
import { BRIDGE, makeNetwork } from '../network.ts';
import { configure, createV, pingFrom, vifOf } from '../people.ts';
import { groupsIn } from '../port-groups.ts';
import type { Scenario } from '../scenario.ts';
import { checkPicture, sendCorpus } from '../traffic.ts';

/**
 * A fully virtualised guest has two ports with one MAC; it uses the emulated card, behind the tap of its device model.
 */
export const hvm: Scenario = {
  name: 'hvm',
  script: 'product',
  minutes: 10,
  play: async (host, record) => {
    await makeNetwork(host);
    const v = await createV(host);
    const made = await create(host, { name: 'a', hvm: true, vifs: [vifOf(host, 'A', 'model=e1000')] });
    record.check(
      'xl create of a guest with a device model works',
      made.status === 0,
      `status ${made.status}\n${made.stdout}${made.stderr}`,
    );
    const vif = `vif${(await host.sh('xl domid a')).trim()}.0`;
    const managed = groupsIn(await host.sh('nft list set bridge xen-vif managed'));
    for (const port of [vif, `${vif}-emu`]) {
      const link = await host.sh(`ip -o link show dev ${port} master ${BRIDGE}; true`);
      const [group] = groupsIn(link);
      record.check(
        `${port.endsWith('-emu') ? 'the emulated' : 'the paravirtual'} port of its card is on the bridge and has a filter`,
        group !== undefined && managed.includes(group),
        `${link}\nfilters: ${managed.join(' ')}`,
      );
    }
    const behind = await host.sh(
      `cat /sys/class/net/${vif.replace('vif', 'raw')}/tun_flags; ethtool -k ${vif.replace('vif', 'sum')} | grep tx-checksumming; true`,
    );
    record.check(
      "QEMU's tap is behind the emulated port, and its frames are finished on the way",
      /^0x[0-9a-f]*[4567][0-9a-f]{3}\ntx-checksumming: off/.test(behind),
      behind,
    );
    const a = guestNamed(host, 'a');
    const up = await a.ready(1, 90).then(
      () => true,
      () => false,
    );
    if (up) {
      const driver = await a.sh('basename $(readlink /sys/class/net/eth0/device/driver)');
      record.check('the guest uses the emulated card', driver === 'e1000', driver);
      checkPicture(host, record, await sendCorpus(host, a, v, `${vif}-emu`), 'from the emulated card');
      await configure(host, a, 'A');
      const trouble = await pingFrom(a, host.corpus.hosts.G.ipv4);
      record.check('the guest pings the gateway', trouble === '', trouble);
    } else {
      const state = await host.sh('xl list a | tail -n 1');
      record.note(
        `under this emulation of SVM the guest itself does not come up in 90 s, so nothing is sent through its card: ${state.trim()}`,
      );
    }
    await host.sh('xl destroy a; xl destroy v');
    const rest = await leftovers(host);
    record.check('nothing is left of either port', rest === '', rest);
  },
};
