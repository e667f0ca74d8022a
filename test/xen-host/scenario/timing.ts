import { create, guestNamed } from '../guest.ts';
import { atGateway, makeNetwork, type Script, scriptPath } from '../network.ts';
import { vifOf } from '../people.ts';
import type { Scenario } from '../scenario.ts';
import type { XenHost } from '../xen-host.ts';

const ROUNDS = 3;
const FLOOD_SECONDS = 5;

/** Seconds of `xl create`; frames a second from the guest to the gateway; ms of the script, by its command. */
type Sample = { create: number; rate: number; online: number; offline: number };

/** Puts a wrapper before a script that writes down how long it ran; its path is for a vif's script=. */
async function timed(host: XenHost, which: Script): Promise<string> {
  const path = `/run/timed-${which}`;
  await host.sh(`cat >${path} <<'END'
#!/bin/bash
begun=$(date +%s%N)
${scriptPath(host, which)} "$@"
status=$?
echo "$1 $(( ($(date +%s%N) - begun) / 1000000 ))" >>/run/times
exit $status
END
    chmod +x ${path}`);
  return path;
}

/** One life of a guest: created, sending as fast as it can, destroyed. */
async function sample(host: XenHost, script: string): Promise<Sample> {
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
  minutes: 10,
  play: async (host, record, script) => {
    await makeNetwork(host);
    const samples: { [which in Script]: Sample[] } = { stock: [], product: [] };
    const scripts = { stock: await timed(host, 'stock'), product: await timed(host, script) };
    for (let round = 0; round < ROUNDS; round++)
      for (const which of ['stock', 'product'] as const) samples[which].push(await sample(host, scripts[which]));
    const of = (which: Script, what: keyof Sample) => median(samples[which].map((s) => s[what]));
    const line = (text: string, what: keyof Sample, digits: number) => {
      const [stock, product] = [of('stock', what), of('product', what)];
      record.note(
        `${text}: stock ${stock.toFixed(digits)}, product ${product.toFixed(digits)}, ratio ${(product / stock).toFixed(2)}`,
      );
    };
    line('xl create, s', 'create', 2);
    line('script online, ms', 'online', 0);
    line('script offline, ms', 'offline', 0);
    line('frames a second from the guest to the gateway', 'rate', 0);
    record.check(
      'xl create takes at most twice as long as with stock',
      of('product', 'create') < 2 * of('stock', 'create'),
    );
    record.check('at least two thirds of the throughput remain', of('product', 'rate') > (2 / 3) * of('stock', 'rate'));
  },
};
