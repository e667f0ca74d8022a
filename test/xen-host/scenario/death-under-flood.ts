import { flood } from '../flood.ts';
import { leftovers } from '../leftovers.ts';
import { atGateway, BRIDGE, makeNetwork } from '../network.ts';
import { createA, createV } from '../people.ts';
import type { Scenario } from '../scenario.ts';
import { watchDom0, watchGuest } from '../watch.ts';

/** Bash that gives guest A a command that it does not live to answer. */
function inGuest(command: string): string {
  return `echo 'x ${command}' >$(xenstore-read /local/domain/$(xl domid a)/console/tty)`;
}

/** Ways in which guest A comes to its end, as bash in dom0. */
const DEATHS: Readonly<Record<string, string>> = {
  'xl destroy': 'xl destroy a',
  'power off': inGuest('poweroff -f'),
  'a kernel crash': inGuest('echo c >/proc/sysrq-trigger'),
};

/** A guest that shoots forged frames until its last moment: not one gets through while its vif is torn down. */
export const deathUnderFlood: Scenario = {
  name: 'death-under-flood',
  script: 'product',
  minutes: 10,
  play: async (host, record) => {
    await makeNetwork(host);
    const v = await createV(host);
    await v.sh('ip link set eth0 up');
    const forged = host.corpus.frames
      .filter((f) => f.direction === 'from-guest' && f.expect === 'drop')
      .map((f) => f.id);
    for (const [death, script] of Object.entries(DEATHS)) {
      const a = await createA(host, { lines: ['on_crash = "destroy"'] });
      const vif = `vif${(await host.sh('xl domid a')).trim()}.0`;
      const watches = [
        await watchGuest(v, 'eth0'),
        await watchDom0(host, 'eth0', { inside: atGateway }),
        await watchDom0(host, BRIDGE),
      ];
      const port = await watchDom0(host, vif);
      const shooting = await flood(a, 'eth0', forged, 0);
      await host.sh('sleep 3');
      const ended = await host.run(`${script}; until ! xl domid a >/dev/null 2>&1; do sleep 0.1; done`, 90);
      const sent = (await port.stop()).length;
      const seen = shooting.among((await Promise.all(watches.map((w) => w.stop()))).flat());
      record.check(`${death} ends the guest`, ended.status === 0, ended.stdout + ended.stderr);
      record.check(`${death}: the guest had its frames at the port`, sent > 500, `${sent} frames`);
      record.check(
        `${death}: none of its forged frames got through`,
        seen.length === 0,
        `${seen.length} arrivals: ${[...new Set(seen)].join(' ')}`,
      );
      record.note(`${death}: ${sent} forged frames reached the port`);
    }
    await host.sh('xl destroy v');
    const rest = await leftovers(host);
    record.check('nothing is left', rest === '', rest);
  },
};
