import { fillers } from './fill.ts';
import { type BenchHost, openBenchHost } from './host.ts';
import { mustBeConnected } from './hotplug.ts';
import { lastCpu, MEASURED, openOurs, openUnfiltered, send } from './packets.ts';
import type { Ledger } from './series.ts';

export interface RulesPlan {
  readonly script: string;
  /** Vifs in service, the measured one included. */
  readonly levels: readonly number[];
  readonly rounds: number;
  readonly milliseconds: number;
  /** Different lists of rules, each of another vif. */
  readonly programs: number;
}

/**
 * What rules cost: a frame of an established conversation of a guest with 20 rules, which the last of them allows,
 * beside one without rules and an unfiltered bridge; and one more guest where so many different lists are there
 * already, beside one on a host without rules. In turns.
 */
export async function measureRules(plan: RulesPlan, ledger: Ledger): Promise<void> {
  await frames(plan, ledger);
  await starts(plan, ledger);
}

async function frames({ script, levels, rounds, milliseconds, programs }: RulesPlan, ledger: Ledger): Promise<void> {
  const paths: { readonly host: BenchHost; readonly subject: string; readonly vifs: number }[] = [];
  try {
    paths.push({ host: await openUnfiltered(), subject: 'no filter', vifs: 0 });
    for (const vifs of levels) {
      paths.push({ host: await openOurs(script, vifs), subject: 'xen-vif-bridge', vifs });
      const policy = `${twentyRules(MEASURED.vif)}${otherRules(Math.min(programs, vifs - 1))}`;
      paths.push({ host: await openOurs(script, vifs, policy), subject: 'with 20 rules', vifs });
    }
    const cpu = lastCpu();
    for (let round = -1; round < rounds; round += 1) {
      for (const { host, subject, vifs } of paths) {
        // From the guest first: its first frame begins the conversation.
        for (const way of ['in', 'out'] as const) {
          const cost = await send(host, cpu, way, milliseconds);
          if (round >= 0) ledger.add({ figure: `rules, frame ${way}`, subject, vifs, unit: 'ns' }, cost);
        }
      }
    }
  } finally {
    for (const { host } of paths) await host.remove();
  }
}

async function starts({ script, rounds, programs }: RulesPlan, ledger: Ledger): Promise<void> {
  const hosts: { readonly host: BenchHost; readonly subject: string }[] = [];
  try {
    hosts.push({ host: await openBenchHost(programs), subject: 'without rules' });
    const others = otherRules(programs);
    const own = twentyRules(MEASURED.vif);
    hosts.push({ host: await openBenchHost(programs, `${own}${others}`), subject: 'with rules of its own' });
    const shared = `[vif ${MEASURED.vif}]\nrules = list1\n`;
    hosts.push({ host: await openBenchHost(programs, `${shared}${others}`), subject: 'with rules of another' });
    for (const { host } of hosts) await host.addGuest(MEASURED);
    for (let round = -1; round < rounds; round += 1) {
      for (const { host, subject } of hosts) {
        for (const command of ['online', 'offline'] as const) {
          const lap = await host.stopwatch.time(host.hotplug(script, command, MEASURED));
          if (round <= 0 && command === 'online') await mustBeConnected(host, [MEASURED]);
          if (round < 0) continue;
          ledger.add({ figure: `rules, ${command}`, subject, vifs: programs, unit: 'ms' }, lap.wall, lap.cpu);
        }
      }
    }
  } finally {
    for (const { host } of hosts) await host.remove();
  }
}

/** Of which the last but one allows what is measured, and others are no quick misses. */
function twentyRules(vif: string): string {
  const lines = Array.from({ length: 17 }, (_, at) =>
    at % 2 === 0 ? `out allow tcp ${1000 + at},${2000 + at}` : `out drop udp ${3000 + at} to 192.0.2.${at}`,
  );
  return `[rules own]\n${[...lines, 'out allow udp 12345', 'out drop', 'in drop'].join('\n')}\n[vif ${vif}]\nrules = own\n`;
}

/** So many lists, each of a vif that is there. */
function otherRules(count: number): string {
  return fillers(count)
    .map(
      ({ vif }, at) =>
        `[rules list${at + 1}]\nin allow tcp ${10_000 + at}\nin drop\n[vif ${vif}]\nrules = list${at + 1}\n`,
    )
    .join('');
}
