import { Failure, shown } from '../errors.ts';
import type { PortStatus } from './status.ts';

const byNumbers = new Intl.Collator('en', { numeric: true }).compare;
/** The least first. */
const ORDERS: Readonly<Record<string, (a: PortStatus, b: PortStatus) => number>> = {
  name: (a, b) => byNumbers(a.name, b.name),
  guest: (a, b) => byNumbers(a.guest?.name ?? '\uffff', b.guest?.name ?? '\uffff'),
  drops: (a, b) => dropped(b) - dropped(a),
  since: (a, b) => byNumbers(b.since ?? '', a.since ?? ''),
  state: (a, b) => urgency(a) - urgency(b),
};

/** By what ports may be sorted: `--sort`. */
export const SORT_KEYS = Object.keys(ORDERS);

/**
 * Ports in another order: by name, guest, drops (the most first), since (the latest first), state (the worst first).
 *
 * @throws Failure `input` for another word
 */
export function sorted(ports: readonly PortStatus[], by: string): PortStatus[] {
  const order = Object.hasOwn(ORDERS, by) ? ORDERS[by] : undefined;
  if (order === undefined) {
    throw new Failure('input', `--sort ${shown(by)} is none of ${SORT_KEYS.join(' ')}`, { at: 'the command line' });
  }
  return [...ports].sort((a, b) => order(a, b) || byNumbers(a.name, b.name));
}

/** Frames of all reasons. */
export function dropped({ drops }: PortStatus): number {
  return drops.reduce((sum, { packets }) => sum + packets, 0);
}

/** Damaged, then what nobody filters, then who has no network, then what is well. */
function urgency(port: PortStatus): number {
  if (port.state === 'damaged') return 0;
  if (isOpen(port)) return 1;
  return isClosed(port) ? 2 : 3;
}

/** True for a port of which an admin should know that it is not filtered, but for those whom `no_ip` leaves open. */
export function isOpen({ unfiltered }: PortStatus): boolean {
  return unfiltered !== undefined && unfiltered !== 'no_ip';
}

/** A guest without network: no run has configured it, and nothing passes. */
export function isClosed({ state, unfiltered }: PortStatus): boolean {
  return state === 'unmanaged' && unfiltered === undefined;
}
