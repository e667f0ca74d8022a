import { runBatch } from '../effects/batch.ts';
import type { Host } from '../host.ts';
import { bridgeLinkLocalLines } from '../port/port-setup.ts';

/**
 * Where no chain at the device drops frames to link-local groups, the bridge is told to learn nothing from them. The
 * frames themselves are dropped behind it, but for those of STP if it is on.
 */
export async function learnNoLinkLocal(host: Pick<Host, 'run' | 'log'>, bridge: string): Promise<void> {
  for (const lost of await runBatch(host.run, 'ip', bridgeLinkLocalLines(bridge))) host.log.say('warning', lost);
}
