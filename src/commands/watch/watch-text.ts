import { Chalk } from 'chalk';
import { printable } from '../../errors.ts';
import { someNames } from '../some-names.ts';
import type { Claim } from './claims.ts';
import { sparkline } from './rates.ts';
import type { Watched } from './watcher.ts';

/** How it is printed. */
export interface View {
  readonly colours: boolean;
  /** Of the bars of the last minute; 0 for none. */
  readonly bars: number;
  /** tcpdump is there, so a claim that is not shown was not heard. */
  readonly hears: boolean;
  /** Ports whose rules are not as they were loaded, and why. */
  readonly damaged: ReadonlyMap<string, string>;
  /** Ports that nobody filters. */
  readonly open: readonly string[];
}

const HEAD = ['VIF', 'GUEST', 'DIRECTION', 'REASON', 'FRAMES/S', 'TOTAL'] as const;

/** A table, spoofing first. Nothing in it is a command to a terminal. */
export function watchText(all: readonly Watched[], view: View): string {
  const { colours, bars, hears } = view;
  const chalk = new Chalk({ level: colours ? 1 : 0 });
  const unknown = unknownText(view).map((line) => chalk.red(line));
  if (all.length === 0) return [...unknown, 'nothing is dropped now', ''].join('\n');
  const offenders = new Set(all.filter(({ spoofing, now }) => spoofing && now > 0).map(({ ifindex }) => ifindex)).size;
  const rows = all.map((one) => [
    printable(one.vif),
    printable(one.guest ?? '?'),
    one.observed ? `${one.direction}, observed` : one.direction,
    one.reason,
    one.now.toFixed(1),
    String(one.total),
  ]);
  const widths = HEAD.map((head, column) =>
    Math.max(head.length, ...rows.map((row) => [...(row[column] ?? '')].length)),
  );
  const line = (cells: readonly string[]): string =>
    cells
      .map((cell, column) => {
        const width = widths[column] ?? 0;
        const filler = ' '.repeat(Math.max(0, width - [...cell].length));
        return column >= 4 ? `${filler}${cell}` : `${cell}${filler}`;
      })
      .join('  ');
  const minute = bars === 0 ? '' : `  ${'LAST MINUTE'.padStart(bars)}`;
  return [
    ...unknown,
    offenders === 0
      ? 'nobody pretends to be another now'
      : chalk.red(`${offenders} ${offenders === 1 ? 'port pretends' : 'ports pretend'} to be another now`),
    '',
    chalk.bold(`${line(HEAD)}${minute}  CLAIMS`),
    ...all.map((one, index) => {
      const text = line(rows[index] ?? []);
      const history = bars === 0 ? '' : `  ${sparkline(one.history, bars)}`;
      return `${one.spoofing && one.now > 0 ? chalk.red(text) : text}${history}  ${claimText(one)}`.trimEnd();
    }),
    ...(hears || offenders === 0 ? [] : ['', 'tcpdump is not installed: what they claim is not known']),
    '',
  ].join('\n');
}

/** Of whom nothing is known: silence of theirs means nothing. */
export function unknownText({ damaged, open }: Pick<View, 'damaged' | 'open'>): string[] {
  const named = (names: readonly string[]): string => printable(someNames(names, ' '));
  const [why] = damaged.values();
  return [
    ...(why === undefined
      ? []
      : [`damaged, so what they send is not judged: ${named([...damaged.keys()])} (${why}); vif-bridge repair`]),
    ...(open.length === 0 ? [] : [`not filtered, so what they send is not judged: ${named(open)}`]),
  ];
}

function claimText({ claim, victim }: Watched): string {
  if (claim === undefined) return '';
  const what = {
    mac: `to be ${claim.value}`,
    address: `to be ${claim.value}`,
    router: `to be a router (${claim.value})`,
    'dhcp-server': `to be a DHCP server (${claim.value})`,
  }[claim.kind];
  return printable(victim === undefined ? what : `${what}, which is ${victim}`);
}

/** The same for programs. */
export interface PrintedRate extends Pick<Watched, 'vif' | 'direction' | 'reason' | 'spoofing' | 'observed' | 'total'> {
  readonly guest: string | null;
  /** Frames. */
  readonly per_second: number;
  readonly claim: Claim | null;
  readonly victim: string | null;
}

export function watchJson(all: readonly Watched[]): PrintedRate[] {
  return all.map(({ vif, guest, direction, reason, spoofing, observed, now, total, claim, victim }) => ({
    vif,
    guest: guest ?? null,
    direction,
    reason,
    spoofing,
    observed,
    per_second: Math.round(now * 10) / 10,
    total,
    claim: claim === undefined ? null : claim,
    victim: victim ?? null,
  }));
}
