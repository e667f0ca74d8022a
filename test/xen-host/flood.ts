import type { Guest } from './guest.ts';
import type { Seen } from './watch.ts';

/** Frames that a guest sends round and round; `stop` ends it. */
export interface Flood {
  /** How many frames the guest's kernel took, and how often the device appeared. */
  stop(): Promise<{ sent: number; appeared: number }>;
  /**
   * Those of the recorded frames that this flood may have sent: a guest's kernel sends some of the corpus by itself.
   */
  among(seen: readonly Seen[]): string[];
}

/**
 * Starts a flood in a guest, also on a device that comes only later or comes and goes.
 * @param ids of the corpus
 * @param perSecond frames per second; 0 = as fast as it can
 */
export async function flood(guest: Guest, device: string, ids: readonly string[], perSecond: number): Promise<Flood> {
  const file = `/tmp/flood-${device}`;
  await guest.sh(
    `frames flood ${device} /frames.txt 3600 ${perSecond} ${ids.join(' ')} >${file} 2>&1 & echo $! >${file}.pid`,
  );
  return {
    stop: async () => {
      const text = await guest.sh(
        `kill $(cat ${file}.pid); until grep -q sent ${file}; do sleep 0.1; done; cat ${file}`,
      );
      const [, sent, appeared] = /sent (\d+) refused \d+ appeared (\d+)/.exec(text) ?? [];
      return { sent: Number(sent), appeared: Number(appeared) };
    },
    among: (seen) => seen.flatMap(({ id }) => (id !== undefined && ids.includes(id) ? [id] : [])),
  };
}
