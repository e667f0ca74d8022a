import type { Host } from '../host.ts';
import { type CountedDrop, openResets } from '../state/reset.ts';
import type { PortStatus } from './status.ts';

/**
 * Ports with what was dropped since somebody said `status --reset`. What the kernel counts from zero (its rules were
 * flushed) is told whole.
 */
export function sinceReset(host: Host, ports: readonly PortStatus[]): PortStatus[] {
  const resets = openResets(host.state.directory, host.bootId);
  if (!resets.some()) return [...ports];
  return ports.map((port) => {
    const ifindex = host.readDevice(port.name)?.ifindex;
    const reset = ifindex === undefined ? undefined : resets.read(ifindex);
    if (reset === undefined) return port;
    return { ...port, countedSince: reset.at, drops: port.drops.flatMap((drop) => more(drop, reset.drops)) };
  });
}

function more<D extends CountedDrop>(drop: D, before: readonly CountedDrop[]): D[] {
  const was = before.find(({ direction, reason }) => direction === drop.direction && reason === drop.reason);
  if (was === undefined || was.packets > drop.packets) return [drop];
  const packets = drop.packets - was.packets;
  return packets === 0 ? [] : [{ ...drop, packets, bytes: Math.max(0, drop.bytes - was.bytes) }];
}

/**
 * Counts from here on. No counter of the kernel is touched: what comes meanwhile is counted, and Prometheus sees
 * nothing of it.
 *
 * @param ports as the kernel counts them
 */
export function resetCounts(host: Host, ports: readonly PortStatus[]): void {
  const at = host.now();
  const resets = ports.flatMap(({ name, drops }) => {
    const ifindex = host.readDevice(name)?.ifindex;
    const counted = drops.map(({ direction, reason, packets, bytes }) => ({ direction, reason, packets, bytes }));
    return ifindex === undefined ? [] : [[ifindex, { at, drops: counted }] as const];
  });
  const present = host.deviceNames().flatMap((name) => host.readDevice(name)?.ifindex ?? []);
  openResets(host.state.directory, host.bootId).write(new Map(resets), present);
}
