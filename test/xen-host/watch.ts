import type { Guest } from './guest.ts';
import type { XenHost } from './xen-host.ts';

/** One received frame: its corpus id, or its bytes (hex) if it is none of the corpus. */
export interface Seen {
  /** Wall clock of the receiver, ms. */
  readonly at: number;
  readonly id?: string;
  readonly hex?: string;
}

/** A running recorder of frames; `stop` ends it and returns what it saw. */
export interface Watch {
  stop(): Promise<Seen[]>;
}

function parse(lines: string): Seen[] {
  const seen: Seen[] = [];
  for (const line of lines.split('\n')) {
    const [at, id, hex] = line.split(' ');
    if (!at || !id || id === 'watching') continue;
    seen.push(id === '?' && hex ? { at: Number(at), hex } : { at: Number(at), id });
  }
  return seen;
}

/**
 * Records at a device of dom0.
 * @param inside prefix that enters a network namespace, e.g. `atGateway`
 * @param which frames that come `in` at the device, that go `out` of it, or both
 */
export async function watchDom0(
  host: XenHost,
  device: string,
  {
    inside = (command) => command,
    which = 'in',
  }: { inside?: (command: string) => string; which?: 'in' | 'out' | 'all' } = {},
): Promise<Watch> {
  const file = (await host.sh('mkdir -p /run/watch; mktemp /run/watch/XXXXXX')).trim();
  const pid = await host.sh(
    `${inside(`setsid frames watch ${device} /mnt/run/frames.txt ${which}`)} >${file} 2>&1 &
    pid=$!
    until grep -q watching ${file}; do kill -0 $pid || { cat ${file} >&2; exit 1; }; sleep 0.05; done
    echo $pid`,
    20,
  );
  return { stop: async () => parse(await host.sh(`kill ${pid.trim()} && cat ${file}`)) };
}

/**
 * Records what reaches a guest's device, whoever it is for. Frames outside the corpus are left out: the console is
 * slow.
 */
export async function watchGuest(guest: Guest, device: string): Promise<Watch> {
  const file = `/tmp/seen-${device}`;
  await guest.sh(
    `frames watch ${device} /frames.txt promiscuous >${file} 2>&1 & echo $! >${file}.pid; until grep -q watching ${file}; do kill -0 $! || { cat ${file}; exit 1; }; sleep 0.1; done`,
  );
  return { stop: async () => parse(await guest.sh(`kill $(cat ${file}.pid) && grep -v '?' ${file}`)) };
}
