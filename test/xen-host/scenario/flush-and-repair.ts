import { flood } from '../flood.ts';
import { atGateway, BRIDGE, makeNetwork, scriptPath } from '../network.ts';
import { configure, createA, createV } from '../people.ts';
import type { Scenario } from '../scenario.ts';
import { checkPicture, sendCorpus } from '../traffic.ts';
import { watchDom0, watchGuest } from '../watch.ts';

/** Somebody empties the packet filter under running guests; one command repairs it. Repeating it harms nothing. */
export const flushAndRepair: Scenario = {
  name: 'flush-and-repair',
  script: 'product',
  minutes: 8,
  play: async (host, record) => {
    const { A } = host.corpus.hosts;
    const program = scriptPath(host, 'product');
    await makeNetwork(host);
    const a = await createA(host);
    const v = await createV(host);
    await host.sh('nft flush ruleset');
    const repair = await host.run(`${program} reapply --all`, 60);
    record.check('reapply --all succeeds after nft flush ruleset', repair.status === 0, repair.stdout + repair.stderr);
    record.note(`reapply --all of two vifs: ${repair.seconds.toFixed(2)} s`);
    checkPicture(host, record, await sendCorpus(host, a, v), 'after the repair');

    await configure(host, a, 'A');
    const watches = [
      await watchGuest(v, 'eth0'),
      await watchDom0(host, 'eth0', { inside: atGateway }),
      await watchDom0(host, BRIDGE),
    ];
    const forged = host.corpus.frames
      .filter((f) => f.direction === 'from-guest' && f.expect === 'drop')
      .map((f) => f.id);
    const shooting = await flood(a, 'eth0', forged, 300);
    const traffic = host.run(atGateway(`ping -i 0.2 -c 50 -W 5 ${A.ipv4}`), 60);
    const again = await host.run(`for i in 1 2 3 4 5; do ${program} reapply --all || exit; done`, 60);
    const ping = await traffic;
    const { sent } = await shooting.stop();
    const seen = shooting.among((await Promise.all(watches.map((w) => w.stop()))).flat());
    record.check('reapply --all can be repeated under traffic', again.status === 0, again.stdout + again.stderr);
    record.check(
      `none of ${sent} forged frames gets through meanwhile`,
      sent > 100 && seen.length === 0,
      [...new Set(seen)].join(' '),
    );
    record.check('no ping is lost meanwhile', ping.stdout.includes('50 received'), ping.stdout);
  },
};
