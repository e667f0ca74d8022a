import { create, guestNamed } from '../guest.ts';
import { atGateway, BRIDGE, FORMS, makeNetwork, scriptPath } from '../network.ts';
import { vifOf } from '../people.ts';
import type { Scenario } from '../scenario.ts';
import type { XenHost } from '../xen-host.ts';

const ROUNDS = 3;
const FLOOD_SECONDS = 5;

/** Seconds of `xl create`; frames a second from the guest to the gateway; ms of the script, by its command. */
type Sample = { create: number; rate: number; online: number; offline: number };

/** What is compared: Debian's script and both forms of ours. */
const CONTESTANTS = ['stock', ...FORMS] as const;
type Contestant = (typeof CONTESTANTS)[number];

/** Puts a wrapper before a script that writes down how long it ran; its path is for a vif's script=. */
async function timed(host: XenHost, who: Contestant): Promise<string> {
  const script = who === 'stock' ? scriptPath(host, 'stock') : scriptPath({ form: who }, 'product');
  const path = `/run/timed-${who}`;
  await host.sh(`cat >${path} <<'END'
#!/bin/bash
begun=$(date +%s%N)
${script} "$@"
status=$?
echo "$1 $(( ($(date +%s%N) - begun) / 1000000 ))" >>/run/times
exit $status
END
    chmod +x ${path}`);
  return path;
}

/**
 * What each finds in dom0: stock no table of ours, for that closes ports that we did not set up; ours the table that is
 * made once for all vifs.
 */
async function prepare(host: XenHost, who: Contestant): Promise<void> {
  await host.sh('nft flush ruleset; rm -rf /run/xen-vif-bridge');
  if (who === 'stock') return;
  const program = scriptPath({ form: who }, 'product');
  await host.sh(`set -e
    ip link add vif900.0 type dummy
    ${program} online vif=vif900.0 bridge=${BRIDGE} mac=00:16:3e:09:00:00 ip=10.0.0.90
    ${program} offline vif=vif900.0
    ip link del vif900.0`);
}

/** One life of a guest: created, sending as fast as it can, destroyed. */
async function sample(host: XenHost, who: Contestant, script: string): Promise<Sample> {
  await prepare(host, who);
  await host.sh(': >/run/times');
  const made = await create(host, { name: 'a', vifs: [vifOf(host, 'A', `script=${script}`)] });
  const a = guestNamed(host, 'a');
  await a.ready();
  await a.sh('ip link set eth0 up; sleep 1');
  const received = () => host.sh(atGateway('cat /sys/class/net/eth0/statistics/rx_packets')).then(Number);
  const before = await received();
  await a.sh(`frames flood eth0 /frames.txt ${FLOOD_SECONDS} 0 L06`, 60);
  const rate = ((await received()) - before) / FLOOD_SECONDS;
  await host.sh('xl destroy a');
  const times = await host.sh('cat /run/times');
  const of = (command: string) => Number(new RegExp(`^${command} (\\d+)`, 'm').exec(times)?.[1]);
  return { create: made.seconds, rate, online: of('online'), offline: of('offline') };
}

function median(values: readonly number[]): number {
  return [...values].sort((x, y) => x - y)[values.length >> 1] ?? Number.NaN;
}

/** Our program against the stock script on the same host in the same run: only the ratios mean something. */
export const timing: Scenario = {
  name: 'timing',
  script: 'product',
  minutes: 15,
  play: async (host, record) => {
    await makeNetwork(host);
    const samples: { [who in Contestant]: Sample[] } = { stock: [], node: [], standalone: [] };
    const scripts = { stock: '', node: '', standalone: '' };
    for (const who of CONTESTANTS) scripts[who] = await timed(host, who);
    for (let round = 0; round < ROUNDS; round++)
      for (const who of CONTESTANTS) samples[who].push(await sample(host, who, scripts[who]));
    const of = (who: Contestant, what: keyof Sample) => median(samples[who].map((s) => s[what]));
    const line = (text: string, what: keyof Sample, digits: number) =>
      record.note(
        `${text}: stock ${of('stock', what).toFixed(digits)}${FORMS.map(
          (form) =>
            `, ${form} ${of(form, what).toFixed(digits)} (ratio ${(of(form, what) / of('stock', what)).toFixed(2)})`,
        ).join('')}`,
      );
    line('xl create, s', 'create', 2);
    line('script online, ms', 'online', 0);
    line('script offline, ms', 'offline', 0);
    line('frames a second from the guest to the gateway', 'rate', 0);
    record.check(
      'with the executable xl create takes at most half as long again as with stock',
      of('standalone', 'create') < 1.5 * of('stock', 'create'),
    );
    record.check(
      'with Node xl create takes at most twice as long as with stock',
      of('node', 'create') < 2 * of('stock', 'create'),
    );
    record.check(
      'at least half of the throughput remains',
      of('stock', 'rate') > 100 && FORMS.every((form) => of(form, 'rate') > 0.5 * of('stock', 'rate')),
    );
  },
};
