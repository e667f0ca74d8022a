import { readGuestNames } from '../effects/guest-names.ts';
import { asFailure, Failure, failureLine } from '../errors.ts';
import type { Host } from '../host.ts';
import { EMULATED, isGuestPort, parseVifName } from '../net/vif-name.ts';
import { liveVifs, readOnce } from '../state/present-devices.ts';

/**
 * The ports that a word of an admin means: one by its name, its first name or the name it was given; else all ports of
 * the guest of that name, in the order of their names. A word that means none is handed back: who looks for it says so.
 */
export async function portsNamed(given: Host, word: string): Promise<string[]> {
  const host = readOnce(given);
  const isPort =
    host.readDevice(word) !== undefined ||
    host.state.allVifs().some(({ device, name }) => [device, name].includes(word));
  if (isPort) return [word];
  const ports = new Map(
    liveVifs(host).map(({ record, device }) => [device.name, { device: record.device, guest: record.values.guest }]),
  );
  for (const name of host.deviceNames()) {
    if (isGuestPort(name) && !ports.has(name)) ports.set(name, { device: name, guest: undefined });
  }
  const domids = new Map([...ports].map(([name, { device }]) => [name, parseVifName(device)?.domid]));
  const names = await guestNames(
    host,
    [...domids.values()].flatMap((domid) => domid ?? []),
  );
  const own = [...ports].flatMap(([name, { guest }]) => {
    const domid = domids.get(name);
    // Guests are renamed, and then another one may have the name that this one was started by.
    const now = (domid === undefined ? undefined : names.get(domid)) ?? guest;
    return now === word ? [name] : [];
  });
  return own.length === 0 ? [word] : own.sort(new Intl.Collator('en', { numeric: true }).compare);
}

/**
 * The one NIC that a word means; of the two ports of an emulated one netback's.
 *
 * @throws Failure `input` for a guest that has several
 */
export async function portNamed(host: Host, word: string): Promise<string> {
  const ports = await portsNamed(host, word);
  const [port = word, ...more] = ports.length === 1 ? ports : ports.filter((name) => !name.endsWith(EMULATED));
  if (more.length === 0) return port;
  throw new Failure('input', `the guest ${word} has several vifs`, {
    at: 'the command line',
    hint: `name one of ${[port, ...more].join(' ')}`,
  });
}

/** Names of guests, by their numbers; without xenstore there are none. */
export async function guestNames(
  host: Pick<Host, 'run' | 'log'>,
  domids: readonly number[],
): Promise<ReadonlyMap<number, string>> {
  if (domids.length === 0) return new Map();
  try {
    return await readGuestNames(host.run, domids);
  } catch (error) {
    host.log.say('debug', `no guest names: ${failureLine(asFailure(error))}`);
    return new Map();
  }
}
