import { asFailure, failureLine, printable } from '../errors.ts';
import { someNames } from './some-names.ts';
import type { PortStatus } from './status.ts';
import { dropped, isClosed, isOpen } from './status-view.ts';

/** One line for Nagios and its kin, and the exit status that they go by (Monitoring Plugins Development Guidelines). */
export interface Check {
  readonly text: string;
  readonly status: 0 | 1 | 2 | 3;
}

/**
 * CRITICAL for ports that somebody has changed, WARNING for those that nobody filters and for guests without network,
 * OK otherwise; with counts as performance data.
 */
export function nagiosCheck(ports: readonly PortStatus[]): Check {
  const damaged = ports.filter(({ state }) => state === 'damaged');
  const open = ports.filter((port) => port.state !== 'damaged' && isOpen(port));
  const closed = ports.filter(isClosed);
  const managed = ports.filter(({ state }) => state === 'managed').length;
  const all = ports.reduce((sum, port) => sum + dropped(port), 0);
  const data = `managed=${managed} open=${open.length} damaged=${damaged.length} dropped=${all}c`;
  const said = [
    ...(damaged.length === 0 ? [] : [`damaged: ${named(damaged)}`]),
    ...(open.length === 0 ? [] : [`not filtered: ${named(open)}`]),
    ...(closed.length === 0 ? [] : [`closed: ${named(closed)}`]),
    ...(damaged.length + open.length + closed.length === 0
      ? [`${managed} of ${ports.length} ports of guests are filtered`]
      : []),
  ].join('; ');
  const [word, status] =
    damaged.length > 0
      ? (['CRITICAL', 2] as const)
      : open.length + closed.length > 0
        ? (['WARNING', 1] as const)
        : (['OK', 0] as const);
  return { text: line(word, `${said} | ${data}`), status };
}

/** What it says where nothing could be found out. */
export function nagiosUnknown(thrown: unknown): Check {
  // A | would begin performance data.
  return { text: line('UNKNOWN', failureLine(asFailure(thrown)).replaceAll('|', '/')), status: 3 };
}

function line(word: string, text: string): string {
  return `VIF-BRIDGE ${word} - ${printable(text).replaceAll('\n', ' ')}\n`;
}

function named(ports: readonly PortStatus[]): string {
  const names = ports.map(({ name, guest, overdue }) => {
    const more = [...(guest?.name === undefined ? [] : [guest.name]), ...(overdue === undefined ? [] : ['overdue'])];
    return more.length === 0 ? name : `${name} (${more.join(', ').replaceAll('|', '/')})`;
  });
  return someNames(names, ', ');
}
