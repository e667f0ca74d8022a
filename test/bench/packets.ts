import { readFileSync } from 'node:fs';
import { compile } from '../lab/compiler.ts';
import type { Namespace } from '../lab/namespace.ts';
import { fillers } from './fill.ts';
import { type Guest, guest } from './guests.ts';
import { type BenchHost, openBenchHost } from './host.ts';
import { linearRules } from './peers.ts';
import type { Ledger } from './series.ts';
import { PRIORITY } from './stopwatch.ts';

export interface PacketPlan {
  /** Any form: what filters is the kernel. */
  readonly script: string;
  /** Vifs in service, the measured one included. */
  readonly levels: readonly number[];
  readonly rounds: number;
  readonly milliseconds: number;
}

interface Path {
  readonly host: BenchHost;
  readonly subject: string;
  readonly vifs: number;
}

const NICE = ['nice', '-n', String(PRIORITY)];
// A station behind the uplink, not the uplink's other end itself: its IP stack is no part of the way.
const GATEWAY = '02:00:00:00:00:fd';
const GATEWAY_IPV4 = '10.100.255.254';
export const MEASURED = guest(30_000);

/**
 * What a frame costs on its way guest - bridge - uplink (in) and back (out), against the same bridge without rules: at
 * each number of vifs, with our rules and with one jump rule per vif. Every frame must arrive, and a forged one must
 * not.
 */
export async function measurePackets(plan: PacketPlan, ledger: Ledger): Promise<void> {
  const paths: Path[] = [];
  try {
    paths.push({ host: await openUnfiltered(), subject: 'no filter', vifs: 0 });
    for (const vifs of plan.levels) {
      paths.push({ host: await openOurs(plan.script, vifs), subject: 'xen-vif-bridge', vifs });
      paths.push({ host: await openLinear(vifs), subject: 'nft, linear', vifs });
    }
    const cpu = lastCpu();
    for (let round = -1; round < plan.rounds; round += 1) {
      for (const { host, subject, vifs } of paths) {
        for (const way of ['in', 'out'] as const) {
          const cost = await send(host, cpu, way, plan.milliseconds);
          if (round >= 0) ledger.add({ figure: `frame ${way}`, subject, vifs, unit: 'ns' }, cost);
        }
        if (round < 0 && subject !== 'no filter') await mustStopForged(host, cpu);
      }
    }
  } finally {
    for (const { host } of paths) await host.remove();
  }
}

export async function openUnfiltered(): Promise<BenchHost> {
  const host = await openBenchHost(0);
  await join(host);
  return host;
}

/** @param policy text of the policy file */
export async function openOurs(script: string, vifs: number, policy?: string): Promise<BenchHost> {
  const host = await openBenchHost(vifs - 1, policy);
  await host.addGuest(MEASURED);
  await host.stopwatch.time(host.hotplug(script, 'online', MEASURED));
  await pinGateway(host);
  return host;
}

async function openLinear(vifs: number): Promise<BenchHost> {
  const host = await openBenchHost(0);
  await join(host);
  // The measured one came last.
  const input = linearRules([...fillers(vifs - 1), MEASURED]);
  await host.ns.check(['nft', '-f', '-'], { input, timeoutMs: 600_000 });
  return host;
}

/** Joins the measured vif to the bridge, as our port set-up would. */
async function join(host: BenchHost): Promise<void> {
  await host.addGuest(MEASURED);
  const { vif, mac } = MEASURED;
  await host.ns.check(['ip', '-batch', '-'], {
    input: `link set ${vif} master br0\nlink set ${vif} type bridge_slave learning off\nlink set ${vif} up\n`,
  });
  await host.ns.check(['bridge', 'fdb', 'replace', mac, 'dev', vif, 'master', 'static']);
  await pinGateway(host);
}

async function pinGateway(host: BenchHost): Promise<void> {
  await host.ns.check(['bridge', 'fdb', 'replace', GATEWAY, 'dev', host.bench.uplink, 'master', 'static']);
  await host.ns.check(['ip', 'link', 'set', host.bench.uplink, 'type', 'bridge_slave', 'learning', 'off']);
}

/** @returns nanoseconds for one frame */
export async function send(
  host: BenchHost,
  cpu: number,
  way: 'in' | 'out',
  milliseconds: number,
  forged = false,
): Promise<number> {
  const peer = MEASURED.vif.replace('vif', 'guest');
  const [from, to] = way === 'in' ? [peer, host.bench.gateway] : [host.bench.gateway, peer];
  return sendFrame(host, { cpu, from, to, hex: frame(way, MEASURED, forged), milliseconds, forged });
}

/** One frame, sent again and again. */
export interface Burst {
  readonly cpu: number;
  /** The interfaces on which it is sent, and on which it must arrive. */
  readonly from: string;
  readonly to: string;
  readonly hex: string;
  readonly milliseconds: number;
  /** It must not arrive. */
  readonly forged: boolean;
}

/** @returns nanoseconds for one frame @throws Error if one is missing, or arrives that should not */
export async function sendFrame(
  { ns }: Pick<BenchHost, 'ns'>,
  { cpu, from, to, hex, milliseconds, forged }: Burst,
): Promise<number> {
  const before = await received(ns, to);
  const program = compile('../bench/packets.c', 'program');
  const argv = [...NICE, program, String(cpu), from, String(milliseconds), hex];
  const [sent = 0, nanoseconds = 0] = (await ns.check(argv)).split(' ').map(Number);
  const arrived = (await received(ns, to)) - before;
  if (arrived !== (forged ? 0 : sent)) {
    throw new Error(`${arrived} of ${sent} frames from ${from} arrived at ${to}${forged ? ', forged ones' : ''}`);
  }
  return nanoseconds;
}

async function mustStopForged(host: BenchHost, cpu: number): Promise<void> {
  await send(host, cpu, 'in', 1, true);
}

async function received(ns: Namespace, dev: string): Promise<number> {
  return Number(await ns.check(['cat', `/sys/class/net/${dev}/statistics/rx_packets`]));
}

/** What is nobody's. */
export const FORGED = '10.99.99.99';

/** A frame between guest and gateway; `forged` has an address that is not the guest's. */
function frame(way: 'in' | 'out', one: Guest, forged: boolean): string {
  const ends = [
    { mac: one.mac, ipv4: forged ? FORGED : one.ipv4 },
    { mac: GATEWAY, ipv4: GATEWAY_IPV4 },
  ] as const;
  return way === 'in' ? udpFrame(ends[0], ends[1]) : udpFrame(ends[1], ends[0]);
}

/** Who sends a frame, or is to get it. */
export interface End {
  readonly mac: string;
  readonly ipv4: string;
}

/** A UDP frame of 60 bytes (64 with FCS). */
export function udpFrame(from: End, to: End): string {
  const macs = [from, to].map(({ mac }) => mac.replaceAll(':', ''));
  const addresses = [from, to].map(({ ipv4 }) =>
    ipv4
      .split('.')
      .map((byte) => Number(byte).toString(16).padStart(2, '0'))
      .join(''),
  );
  const payload = 18;
  const length = (size: number): string => size.toString(16).padStart(4, '0');
  const header = `4500${length(28 + payload)}000000004011`;
  // Without a UDP checksum, which IPv4 allows.
  return `${macs[1]}${macs[0]}0800${header}${checksum(`${header}0000${addresses.join('')}`)}${addresses.join('')}30393039${length(8 + payload)}0000${'00'.repeat(payload)}`;
}

/** Of an IPv4 header (RFC 1071): netfilter and the bridge drop a frame whose header is broken. */
function checksum(header: string): string {
  const words = header.match(/.{4}/g) ?? [];
  const sum = words.reduce((total, word) => total + Number.parseInt(word, 16), 0);
  const folded = (sum & 0xffff) + (sum >>> 16);
  return (~((folded & 0xffff) + (folded >>> 16)) & 0xffff).toString(16).padStart(4, '0');
}

/** A CPU this process may use; the last, since interrupts prefer the first. */
export function lastCpu(): number {
  const allowed = /^Cpus_allowed_list:\s+(\S+)$/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1] ?? '0';
  return Number(allowed.split(/[,-]/).at(-1));
}
