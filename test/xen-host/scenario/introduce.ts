import { leftovers } from '../leftovers.ts';
import { INSTALLED, makeNetwork, useScript } from '../network.ts';
import { configure, createA, createV, pingFrom } from '../people.ts';
import type { Record } from '../report.ts';
import type { Scenario } from '../scenario.ts';
import { checkPicture, leaked, sendCorpus } from '../traffic.ts';
import type { XenHost } from '../xen-host.ts';

const PROGRAM = '/usr/local/sbin/vif-bridge';
const POLICY = '/etc/xen/vif-bridge.ini';
const BACK = '/etc/xen/vif-bridge.d/zz-back.ini';

/**
 * A live host, as docs/guide.md has it: guests that stock started are counted, then filtered, then left alone again at
 * once, and the program goes while one of them runs. No link goes down.
 */
export const introduce: Scenario = {
  name: 'introduce',
  script: 'stock',
  form: 'node',
  minutes: 15,
  play: async (host, record) => {
    const { hosts, frames } = host.corpus;
    const unwanted = frames.filter(({ expect }) => expect === 'drop');
    const fromGuest = unwanted.filter(({ direction }) => direction === 'from-guest');
    await makeNetwork(host);
    await useScript(host, 'stock');
    const a = await createA(host);
    const v = await createV(host);
    await configure(host, a, 'A');
    await configure(host, v, 'V');
    const port = `vif${(await host.sh('xl domid a')).trim()}.0`;

    const installed = await host.run(`${INSTALLED.node}/bin/vif-bridge install`, 120);
    record.check('install', installed.status === 0, installed.stdout + installed.stderr);
    const conf = await host.sh('cat /etc/xen/xl.conf; nft list ruleset');
    record.check('which changes neither xl.conf nor a rule', conf.trim() === '', conf);

    await host.sh('mkdir -p /run/watch; ip -o monitor link >/run/watch/links 2>&1 & echo $! >/run/watch/links.pid');
    await policy(host, 'mode = observe');
    await reapply(host, record, 'takes over both guests');
    const observed = await sendCorpus(host, a, v);
    const through = fromGuest.filter((frame) => leaked(observed, frame));
    record.check(
      `observe keeps nothing back: ${through.length} of ${fromGuest.length} attacks arrive`,
      through.length > fromGuest.length / 2,
    );
    const seen = JSON.parse(await host.sh(`${PROGRAM} status --json || true`)) as {
      name: string;
      observed: boolean;
      drops: { direction: string; reason: string }[];
    }[];
    const counted = seen.find(({ name }) => name === port);
    const reasons = counted?.drops.filter(({ direction }) => direction === 'from-guest').length ?? 0;
    record.check(
      `status says of whom, and why: ${reasons} reasons`,
      counted?.observed === true && reasons > 20,
      JSON.stringify(seen),
    );

    await policy(host, '');
    await reapply(host, record, 'filters both');
    await configure(host, a, 'A');
    checkPicture(host, record, await sendCorpus(host, a, v), 'when filtered');
    const ping = await pingFrom(a, hosts.G.ipv4);
    record.check('and it works', ping === '', ping);

    const line = await host.run(`${PROGRAM} install --xl-conf && cat /etc/xen/xl.conf`, 60);
    record.check(
      'install --xl-conf writes the line',
      line.stdout.includes('vif.default.script="vif-bridge-locked"'),
      line.stdout + line.stderr,
    );
    await host.sh('xl destroy v');
    const again = await createV(host);
    await configure(host, again, 'V');
    const managed = await host.run(`${PROGRAM} status`, 60);
    record.check('a guest that starts is filtered then', managed.status === 0, managed.stdout + managed.stderr);

    await host.sh(`mkdir -p ${BACK.replace(/\/[^/]*$/, '')}; printf '[defaults]\\nmode = unlocked\\n' >${BACK}`);
    await reapply(host, record, 'opens them again, in one command');
    const open = await sendCorpus(host, a, again);
    const opened = fromGuest.filter((frame) => leaked(open, frame));
    record.check(`${opened.length} of ${fromGuest.length} attacks arrive`, opened.length > fromGuest.length / 2);
    await host.sh(`rm ${BACK}`);
    await reapply(host, record, 'and closes them');

    const gone = await host.run(`${PROGRAM} uninstall; cat /etc/xen/xl.conf`, 60);
    record.check(
      'uninstall takes the line away, and says who is filtered until it ends',
      gone.status === 0 && !gone.stdout.includes('vif.default.script') && gone.stdout.includes(port),
      gone.stdout + gone.stderr,
    );
    await configure(host, a, 'A');
    checkPicture(host, record, await sendCorpus(host, a, again), 'without the program');
    const links = await host.sh('kill $(cat /run/watch/links.pid); cat /run/watch/links');
    const flaps = links.split('\n').filter((text) => text.includes(`: ${port}:`) && /NO-CARRIER|state DOWN/.test(text));
    record.check('no link has gone down', flaps.length === 0, flaps.join('\n'));
    await host.sh('xl destroy a; xl destroy v');
    const rest = await leftovers(host);
    record.check('nothing is left of either', rest === '', rest);
    await host.sh(`rm -f ${POLICY}`);
  },
};

async function policy(host: XenHost, line: string): Promise<void> {
  await host.sh(`printf '[defaults]\\n${line}\\n' >${POLICY}; ${PROGRAM} policy check`);
}

async function reapply(host: XenHost, record: Record, what: string): Promise<void> {
  const { status, stdout, stderr } = await host.run(`${PROGRAM} reapply --all`, 120);
  record.check(`reapply --all ${what}`, status === 0, stdout + stderr);
}
