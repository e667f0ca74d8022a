import { OPT_INS } from '../../src/filter/opt-ins.ts';
import { fillers } from './fill.ts';
import type { BenchHost } from './host.ts';
import { lastCpu, openOurs, openUnfiltered, send } from './packets.ts';
import type { Ledger } from './series.ts';
import { LEARNER, OTHERS, PLAIN } from './targets.ts';

export interface WordsPlan {
  readonly script: string;
  readonly rounds: number;
  readonly milliseconds: number;
}

/** The measured guest, who asked for nothing, and the other one. */
const VIFS = 2;

/**
 * What a guest without any word pays for those of another one: a frame of it where nobody has asked for anything,
 * beside one where the other guest has every word of `allow` and each limit, and one where it also learns. In turns,
 * one short burst each: other work of the machine meets all alike.
 */
export async function measureWords({ script, rounds, milliseconds }: WordsPlan, ledger: Ledger): Promise<void> {
  const hosts: { readonly host: BenchHost; readonly subject: string; readonly vifs: number }[] = [];
  try {
    hosts.push({ host: await openUnfiltered(), subject: 'no filter', vifs: 0 });
    for (const [subject, policy] of Object.entries(POLICIES)) {
      hosts.push({ host: await openOurs(script, VIFS, policy), subject, vifs: VIFS });
    }
    const cpu = lastCpu();
    for (let round = -1; round < rounds; round += 1) {
      for (const way of ['in', 'out'] as const) {
        // Every other round backwards, so that nobody always comes behind the same one.
        for (const { host, subject, vifs } of round % 2 === 0 ? hosts : [...hosts].reverse()) {
          const cost = await send(host, cpu, way, milliseconds);
          if (round >= 0) ledger.add({ figure: `words, frame ${way}`, subject, vifs, unit: 'ns' }, cost);
        }
      }
    }
  } finally {
    for (const { host } of hosts) await host.remove();
  }
}

const EVERYTHING = [
  `[vif ${fillers(1)[0]?.vif}]`,
  `allow = ${OPT_INS.flatMap(({ word, flags }) => (flags === undefined ? [] : word)).join(' ')} ethertype:0x88e5 vrrp:51`,
  ...['arp', 'nd', 'broadcast', 'multicast', 'dhcp', 'igmp'].map((kind) => `limit_${kind} = 100/s`),
  'routes = 198.51.100.0/28',
  'extra_macs = 02:42:ac:11:00:00+16',
  '',
].join('\n');

const POLICIES: Readonly<Record<string, string>> = {
  [PLAIN]: '',
  [OTHERS]: EVERYTHING,
  [LEARNER]: `${EVERYTHING}learn = dhcp\n`,
};
