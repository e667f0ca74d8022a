import { Chalk, type ChalkInstance } from 'chalk';
import { printable } from '../errors.ts';
import { jsonText } from '../json/writer.ts';
import type { OpenConversations, PortStatus } from './status.ts';
import { isOpen } from './status-view.ts';

/** What has another name in JSON: programs of others read it. */
const PUBLIC_NAMES = {
  warnings: 'open',
  extraMacs: 'extra_macs',
  policyMode: 'policy_mode',
  countedSince: 'counted_since',
} as const satisfies {
  readonly [K in keyof PortStatus]?: string;
};

type PublicName<K> = K extends keyof typeof PUBLIC_NAMES ? (typeof PUBLIC_NAMES)[K] : K;

/** A port as programs read it. */
export type PrintedPort = { readonly [K in keyof PortStatus as PublicName<K>]: PortStatus[K] };

/** Status for programs. */
export function statusJson(ports: readonly PortStatus[]): string {
  const names: Readonly<Record<string, string>> = PUBLIC_NAMES;
  const rows = ports.map((port) =>
    Object.fromEntries(Object.entries(port).map(([key, value]) => [names[key] ?? key, value])),
  );
  return jsonText(rows);
}

/**
 * Status for people: a block a port, drops below it, the most frequent first.
 *
 * @param colours true only for a terminal
 */
export function statusText(ports: readonly PortStatus[], colours: boolean): string {
  const chalk = new Chalk({ level: colours ? 1 : 0 });
  if (ports.length === 0) return 'no vif ports on this host\n';
  return printableIn(ports)
    .map((port) => {
      const colour = port.state === 'managed' && !port.observed ? chalk.green : chalk.red;
      const state = port.observed ? `${port.state}, only observed` : port.state;
      const dropped = port.observed ? 'would have been dropped' : 'dropped';
      const guest = port.guest === undefined ? '' : `  guest ${port.guest.name ?? '?'} (${port.guest.domid})`;
      const device = port.device === port.name ? '' : ` (${port.device})`;
      return [
        `${chalk.bold(port.name)}${device}  ${colour(state)}${guest}  ${whereOf(port)}${port.link === 'up' ? '' : `  ${port.link === 'down' ? 'down' : 'no carrier'}`}`,
        ...(isOpen(port) ? [`  ${chalk.bgRed.white(`NOT FILTERED${overdueText(port)}`)}`] : []),
        ...(port.mac === undefined ? [] : [`  ${port.mac}  ${port.addresses.join(' ') || 'no addresses'}`]),
        ...(port.extraMacs === '' ? [] : [`  and the MACs ${port.extraMacs}`]),
        ...(port.since === undefined ? [] : [`  mode ${modeText(port)}, since ${port.since.slice(0, 19)}Z`]),
        ...(port.allow.length === 0 ? [] : [`  allows besides ${port.allow.join(' ')}`]),
        ...(port.routes.length === 0 ? [] : [`  and routes for ${port.routes.join(' ')}`]),
        ...port.learned.map(({ address, seconds }) => `  learned ${address}, for ${lasting(seconds)}`),
        ...(port.rules.length === 0 ? [] : [`  rules ${port.rules.join(' ')}`]),
        ...(port.log === undefined || port.log === 'limited' ? [] : [`  log ${port.log}`]),
        ...(port.conversations === undefined ? [] : [`  ${conversationsText(port.conversations, chalk)}`]),
        ...port.warnings.map((what) => `  ${chalk.yellow(what)}`),
        ...port.notes.map(({ loud, text }) => `  ${loud ? chalk.red(`warning: ${text}`) : text}`),
        ...(port.countedSince === undefined ? [] : [`  counted since ${port.countedSince.slice(0, 19)}Z`]),
        ...[...port.drops]
          .sort((a, b) => b.packets - a.packets)
          .map(
            (drop) =>
              `  ${dropped} ${drop.direction.padEnd(10)} ${drop.reason.padEnd(14)} ${String(drop.packets).padStart(10)} frames`,
          ),
        '',
      ].join('\n');
    })
    .join('\n');
}

/** Nobody has ended what should have ended. */
function overdueText({ name, unfiltered, overdue }: PortStatus): string {
  return overdue === undefined
    ? ''
    : `: ${unfiltered}, overdue since ${overdue.slice(0, 19)}Z; vif-bridge reapply ${name}`;
}

/** As it is loaded: what the policy says by now is said besides. */
function modeText({ mode, observed, policyMode, unfiltered, overdue }: PortStatus): string {
  if (policyMode === undefined)
    return observed ? 'observe' : mode === 'unrestricted' ? 'not filtered' : 'as it was loaded';
  return overdue === undefined ? policyMode : `${unfiltered} still, and ${policyMode} by the policy`;
}

/** From here on somebody should look who fills it. */
const NEARLY_FULL = 0.8;

/** What a guest has open, and how full the fullest of the tables is that all guests share. */
function conversationsText({ own, limit, sets }: OpenConversations, chalk: ChalkInstance): string {
  const [fullest] = [...sets].sort((a, b) => b.elements / b.size - a.elements / a.size);
  const text = `${own} conversations, may begin ${limit.rate} a second (${limit.burst} at once)`;
  if (fullest === undefined) return text;
  const fill = `fullest table: ${fullest.set}, ${fullest.elements} of ${fullest.size}`;
  return `${text}; ${fullest.elements >= NEARLY_FULL * fullest.size ? chalk.red(`warning: ${fill}`) : fill}`;
}

/** `23 h 59 min`: of a time, the two largest parts. */
function lasting(seconds: number): string {
  const [days, hours, minutes] = [
    Math.floor(seconds / 86_400),
    Math.floor(seconds / 3600) % 24,
    Math.floor(seconds / 60) % 60,
  ];
  if (days > 0) return `${days} d ${hours} h`;
  if (hours > 0) return `${hours} h ${minutes} min`;
  return minutes > 0 ? `${minutes} min` : `${seconds} s`;
}

/** The same, and no text in it is a command to a terminal, whatever is added to it. */
function printableIn<T>(value: T): T {
  if (typeof value === 'string') return printable(value) as T;
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map(printableIn) as T;
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, printableIn(inner)])) as T;
}

function whereOf({ bridge, uplink }: PortStatus): string {
  return bridge ?? (uplink === undefined ? 'on no bridge' : `routed behind ${uplink}`);
}
