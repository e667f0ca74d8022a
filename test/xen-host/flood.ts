import type { Guest } from './guest.ts';

/** Forged frames that a guest sends round and round; `stop` ends it. */
export interface Flood {
  pause(): Promise<void>;
  resume(): Promise<void>;
  /** How many frames the guest's kernel took, and how often the device appeared. */
  stop(): Promise<{ sent: number; appeared: number }>;
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
    pause: async () => void (await guest.sh(`kill -STOP $(cat ${file}.pid)`)),
    resume: async () => void (await guest.sh(`kill -CONT $(cat ${file}.pid)`)),
    stop: async () => {
      const text = await guest.sh(
        `kill $(cat ${file}.pid); until grep -q sent ${file}; do sleep 0.1; done; cat ${file}`,
      );
      const [, sent, appeared] = /sent (\d+) refused \d+ appeared (\d+)/.exec(text) ?? [];
      return { sent: Number(sent), appeared: Number(appeared) };
    },
  };
}
