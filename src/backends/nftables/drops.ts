import { isNotInstalled, LISTING_BYTES, toolFailure } from '../../effects/exec.ts';
import type { VifRecord } from '../../state/records.ts';
import type { KernelDrops } from '../backend.ts';
import { currentBase } from '../base.ts';
import {
  LIST_DROPS,
  LIST_INGRESS,
  LIST_UNMANAGED_DROPS,
  parseDrops,
  parseIngressDrops,
  parseUnmanagedDrops,
} from './counters.ts';
import type { Nft } from './transaction.ts';

const ALL = { mostBytes: LISTING_BYTES };

/** What the kernel counted, by one listing of each set of counters. */
export async function readDrops({ host, holder }: Nft, records: readonly VifRecord[]): Promise<KernelDrops> {
  const unmanaged = host.run('nft', LIST_UNMANAGED_DROPS, ALL).catch(() => undefined);
  const result = await host.run('nft', LIST_DROPS, ALL).catch((error: unknown) => {
    // Before the first run on a host that only has ebtables.
    if (currentBase(host, holder) === undefined && isNotInstalled(error)) return undefined;
    throw error;
  });
  if (result === undefined) return { present: false, drops: [] };
  if (result.status !== 0) {
    if (/No such file or directory/.test(result.stderr)) return { present: false, drops: [] };
    throw toolFailure('nft', LIST_DROPS, result);
  }
  const others = await unmanaged;
  const drops = [
    ...parseDrops(result.stdout),
    ...(others?.status === 0 ? parseUnmanagedDrops(others.stdout, (name) => host.readDevice(name)?.ifindex) : []),
  ];
  if (!records.some((record) => record.ingress)) return { present: true, drops };
  const ingress = await host.run('nft', LIST_INGRESS, ALL);
  const byDevice = new Map(records.map((record) => [record.device, record.ifindex]));
  return {
    present: true,
    drops: [
      ...drops,
      ...(ingress.status === 0 ? parseIngressDrops(ingress.stdout, (device) => byDevice.get(device)) : []),
    ],
  };
}
