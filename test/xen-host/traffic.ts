import { setTimeout as sleep } from 'node:timers/promises';
import type { Frame, StationName } from './corpus.ts';
import type { Guest } from './guest.ts';
import { atGateway, BRIDGE } from './network.ts';
import type { Record } from './report.ts';
import { watchDom0, watchGuest } from './watch.ts';
import type { XenHost } from './xen-host.ts';

/** What became of the corpus on this host. */
export interface Picture {
  /** The stations that a frame reached, its sender not counted. */
  arrivedAt(frame: Frame): ReadonlySet<StationName>;
  /** Forged MACs that the bridge learned at the port of guest A. */
  readonly learned: readonly string[];
}

/** True if a frame got where it must get: its one addressee, or, for a group, the gateway (which nothing filters). */
export function arrived(picture: Picture, frame: Frame, host: XenHost): boolean {
  if (frame.direction === 'to-guest') return picture.arrivedAt(frame).has('A');
  const to = frame.hex.slice(0, 12).replace(/..(?!$)/g, '$&:');
  const one = (['V', 'G', 'H'] as const).find((name) => host.corpus.hosts[name].mac === to);
  return picture.arrivedAt(frame).has(one ?? 'G');
}

/** True if a frame that must be stopped came through to anybody (to guest A itself, for frames toward it). */
export function leaked(picture: Picture, frame: Frame): boolean {
  return frame.direction === 'to-guest' ? picture.arrivedAt(frame).has('A') : picture.arrivedAt(frame).size > 0;
}

/**
 * Sends the whole corpus through netfront, netback and the bridge: A's frames from inside guest A, then those toward A
 * from the gateway, from guest V and from dom0.
 * @param port A's interface in dom0 if it is not the usual vif<domid>.0
 */
export async function sendCorpus(host: XenHost, a: Guest, v: Guest, port?: string): Promise<Picture> {
  const device = 'eth0';
  const { hosts, frames } = host.corpus;
  const from = (direction: Frame['direction'], sender: StationName, forged?: boolean) =>
    frames
      .filter((f) => f.direction === direction && f.sender === sender)
      .filter((f) => forged === undefined || forged === (f.forgedSource !== null))
      .map((f) => f.id)
      .join(' ');
  for (const guest of [a, v])
    await guest.sh(
      `ip link set ${device} up; until [ "$(cat /sys/class/net/${device}/carrier)" = 1 ]; do sleep 0.1; done`,
    );
  const watches = {
    A: await watchGuest(a, device),
    V: await watchGuest(v, device),
    G: await watchDom0(host, 'eth0', { inside: atGateway }),
    H: await watchDom0(host, BRIDGE),
  };
  // Forged source MACs come last: the bridge may believe them, and the victim's traffic then goes astray.
  await a.sh(`frames send ${device} /frames.txt ${from('from-guest', 'A', false)}`);
  await a.sh(`frames send ${device} /frames.txt ${from('from-guest', 'A', true)}`);
  await sleep(1000);
  const vif = port ?? `vif${(await host.sh(`xl domid ${a.name}`)).trim()}.0`;
  const table = await host.sh(`bridge fdb show br ${BRIDGE} | grep 'dev ${vif} '; true`);
  await host.sh(atGateway(`frames send eth0 /mnt/run/frames.txt ${from('to-guest', 'G')}`));
  await v.sh(`frames send ${device} /frames.txt ${from('to-guest', 'V')}`);
  await host.sh(`frames send ${BRIDGE} /mnt/run/frames.txt ${from('to-guest', 'H')}`);
  await sleep(1000);

  const places = new Map<string, Set<StationName>>();
  for (const name of ['A', 'V', 'G', 'H'] as const)
    for (const { id } of await watches[name].stop()) if (id) places.set(id, (places.get(id) ?? new Set()).add(name));
  const forged = new Set(frames.flatMap((f) => (f.forgedSource ? [f.forgedSource] : [])));
  const own = hosts.A.mac;
  return {
    arrivedAt: ({ id, sender }) => {
      const stations = new Set(places.get(id));
      stations.delete(sender);
      return stations;
    },
    learned: [...forged].filter((mac) => mac !== own && table.includes(`${mac} `)),
  };
}

/** The three sentences that must be true of every managed guest. @param when what happened before, for the names */
export function checkPicture(host: XenHost, record: Record, picture: Picture, when = ''): void {
  const list = (frames: readonly Frame[]) =>
    frames.length > 12 ? frames.map((f) => f.id).join(' ') : frames.map((f) => `${f.id} ${f.name}`).join('\n');
  const name = (text: string) => (when ? `${when}, ${text}` : text);
  const unwanted = host.corpus.frames.filter((f) => f.expect === 'drop');
  const legitimate = host.corpus.frames.filter((f) => f.expect === 'pass');
  const through = unwanted.filter((f) => leaked(picture, f));
  const lost = legitimate.filter((f) => !arrived(picture, f, host));
  record.check(name(`none of ${unwanted.length} unwanted frames arrives`), through.length === 0, list(through));
  record.check(name(`each of ${legitimate.length} legitimate frames arrives`), lost.length === 0, list(lost));
  record.check(name('the bridge learns no forged MAC'), picture.learned.length === 0, picture.learned.join('\n'));
}
