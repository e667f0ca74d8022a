import { create, createGuest, guestNamed } from '../guest.ts';
import { leftovers } from '../leftovers.ts';
import { BRIDGE, makeNetwork } from '../network.ts';
import { configure, createA, createV, pingFrom, vifOf } from '../people.ts';
import type { Scenario } from '../scenario.ts';
import { checkPicture, sendCorpus } from '../traffic.ts';

const NAMES = ['g1', 'g2', 'g3', 'g4'] as const;

/** Births and deaths of guests: many at once, reboot, crash, destroy. */
export const lifeCycle: Scenario = {
  name: 'life-cycle',
  script: 'product',
  minutes: 12,
  play: async (host, record) => {
    const { G } = host.corpus.hosts;
    await makeNetwork(host);
    const plans = NAMES.map((name, n) => ({
      name,
      vifs: [0, 1].map(
        (i) => `mac=00:16:3e:00:01:${n}${i},bridge=${BRIDGE},ip=10.0.0.${20 + 2 * n + i} fd00::${20 + 2 * n + i}`,
      ),
    }));
    const made = await Promise.all(plans.map((plan) => create(host, plan)));
    record.check(
      'four guests with two interfaces each are created at once',
      made.every(({ status }) => status === 0),
      made.map((m) => m.stderr).join('\n'),
    );
    record.note(`four at once took ${Math.max(...made.map((m) => m.seconds)).toFixed(1)} s`);
    const silent: string[] = [];
    for (const [n, name] of NAMES.entries()) {
      const guest = guestNamed(host, name);
      await guest.ready();
      for (const i of [0, 1]) {
        // One interface at a time: two in one subnet would answer for each other.
        await guest.sh(
          `ip link set eth${1 - i} down; ip link set eth${i} up; ip addr replace 10.0.0.${20 + 2 * n + i}/24 dev eth${i}`,
        );
        const trouble = await pingFrom(guest, G.ipv4);
        if (trouble) silent.push(`${name} eth${i}: ${trouble}`);
      }
    }
    record.check('each of the eight reaches the gateway', silent.length === 0, silent.join('\n'));
    const ports = await host.sh(`bridge link | grep -c 'vif[0-9]*\\.[01].*state forwarding'; true`);
    record.check('all eight interfaces are on the bridge', ports.trim() === '8', ports);
    const gone = await host.run(`for g in ${NAMES.join(' ')}; do xl destroy $g & done; wait`, 120);
    const rest = await leftovers(host);
    record.check('nothing is left after four xl destroy at once', rest === '', `${rest}\n${gone.stderr}`);

    const a = await createA(host, { lines: ['on_crash = "destroy"'] });
    const v = await createV(host);
    const before = await host.sh('xl domid a');
    await host.sh(`tty=$(xenstore-read /local/domain/$(xl domid a)/console/tty); echo 'x reboot -f' >$tty`);
    await a.ready(2);
    record.check('the rebooted guest has a new domain id', (await host.sh('xl domid a')) !== before);
    checkPicture(host, record, await sendCorpus(host, a, v), 'after a reboot');
    await configure(host, a, 'A');
    const trouble = await pingFrom(a, G.ipv4);
    record.check('the rebooted guest reaches the gateway', trouble === '', trouble);

    await host.sh(
      `tty=$(xenstore-read /local/domain/$(xl domid a)/console/tty); echo 'x echo c >/proc/sysrq-trigger' >$tty
      until ! xl domid a >/dev/null 2>&1; do sleep 0.2; done`,
      60,
    );
    await host.sh('xl destroy v');
    const last = await leftovers(host);
    record.check('nothing is left after a crash', last === '', last);
    const again = await createGuest(host, { name: 'a', vifs: [vifOf(host, 'A')] });
    await configure(host, again, 'A');
    const answer = await pingFrom(again, G.ipv4);
    record.check('the same guest can be created again', answer === '', answer);
  },
};
