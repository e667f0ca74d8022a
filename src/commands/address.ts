import { underPolicy } from '../backends/base.ts';
import { isSilent, nodeExists, readDirectory, writeKeys } from '../effects/xenstore.ts';
import { Failure, shown } from '../errors.ts';
import type { Host } from '../host.ts';
import { parseAddressList } from '../net/address-list.ts';
import type { IpPrefix } from '../net/ip-prefix.ts';
import type { MacAddress } from '../net/mac-address.ts';
import { resolved } from '../policy/resolve-policy.ts';
import { doubleFinder, refuseDouble } from '../vif/doubles.ts';
import { noteTaker, subjectOf } from '../vif/notes.ts';
import type { DropIns } from './drop-in.ts';
import { type Nic, refuseSharedMac } from './nic.ts';
import { identityNamed } from './reapply.ts';

export type AddressAction = 'add' | 'remove';

/** Where the addresses of a NIC were changed, and how that is taken back. */
export interface AddressEdit {
  /** Undefined if it has, or has not, them already. */
  readonly where: string | undefined;
  readonly addresses: readonly string[];
  /** `ip` in xenstore, where that was changed. */
  readonly ip?: string;
  readonly undo: () => Promise<void>;
}

/**
 * Gives a NIC addresses, or takes them, where the next re-apply reads them: in xenstore, where Xen knows the vif; else
 * in a file of the policy.
 *
 * @param words addresses as in `ip=` of a vif
 * @throws Failure `input` for what is no address, and for what would leave the NIC without any: what holds then is
 *   `no_ip`, which may be less
 */
export async function editAddresses(
  host: Host,
  files: DropIns,
  nic: Nic,
  action: AddressAction,
  words: readonly string[],
): Promise<AddressEdit> {
  const wanted = prefixesOf(words.join(' '), 'the command line', nic.mac);
  if (wanted.length === 0) {
    throw new Failure('input', `there is no address to ${action}`, { at: 'the command line', hint: 'like 192.0.2.10' });
  }
  await refuseFixed(host, nic);
  const stored = await storedIp(host, nic);
  if (stored !== undefined) return inXenstore(host, nic, action, wanted, stored);
  await refuseSharedMac(host, [nic]);
  return inPolicy(files, nic, action, wanted);
}

/**
 * Looks whose the addresses are that a NIC was given, before a re-apply takes them in.
 *
 * @param host with the policy as it is now
 * @returns what an admin should know of them
 * @throws Failure `input` for one that another guest has
 */
export async function whoseTheyAre(host: Host, { record }: Nic, { addresses, ip }: AddressEdit): Promise<string[]> {
  const after = ip === undefined ? record : { ...record, values: { ...record.values, ip } };
  const subject = subjectOf(after, underPolicy(host, after));
  await refuseDouble(host, subject, addresses);
  const notes = [...(await doubleFinder(host)(subject)), ...noteTaker(host)(subject)];
  return notes.flatMap(({ loud, text }) =>
    loud && text.split(/[ :;,]+/).some((word) => addresses.includes(word)) ? [text] : [],
  );
}

/** `ip =` of the policy decides alone: what xenstore says does not count then. */
async function refuseFixed(host: Host, { record }: Nic): Promise<void> {
  const { who } = await identityNamed(host, record.device);
  const { values, places } = resolved(host.policy, { ...who.vif, bridge: record.bridge });
  if (!values.ip.instead) return;
  throw new Failure('input', `the policy alone says which addresses ${record.name} has`, {
    at: places.ip,
    hint: 'change them there, then vif-bridge reapply',
  });
}

/** What stands in xenstore; undefined if that does not know the vif, or does not answer. */
async function storedIp({ run }: Host, { path }: Nic): Promise<string | undefined> {
  try {
    const keys = path === undefined ? undefined : await readDirectory(run, path);
    return keys?.has('mac') === true ? (keys.get('ip') ?? '') : undefined;
  } catch (error) {
    if (isSilent(error)) return undefined;
    throw error;
  }
}

async function inXenstore(
  { run }: Host,
  { path, record, mac }: Nic,
  action: AddressAction,
  wanted: readonly IpPrefix[],
  before: string,
): Promise<AddressEdit> {
  const node = `${path}/ip`;
  const words = before.split(/[\s,;'"]+/).filter((word) => word !== '');
  const after = changed(words, action, wanted, record.name, (word) => prefixesOf(word, node, mac));
  if (after === undefined) return nothing(wanted);
  // A guest may end meanwhile: a write would bring back the directory that Xen has removed.
  const write = async (value: string): Promise<void> => {
    if (await nodeExists(run, `${path}/mac`)) await writeKeys(run, [[node, value]]);
  };
  await write(after.join(' '));
  return {
    where: `xenstore (${node}), until the guest is started anew: ip= of its own file is for then`,
    addresses: wanted.map(({ text }) => text),
    ip: after.join(' '),
    undo: () => write(before),
  };
}

function inPolicy(files: DropIns, nic: Nic, action: AddressAction, wanted: readonly IpPrefix[]): AddressEdit {
  const { mac, record } = nic;
  const before = files.read('address', mac);
  const [, added = ''] = /^ip \+= (.*)$/m.exec(before ?? '') ?? [];
  const own = prefixesOf(record.values.ip ?? '', record.device, mac).map(({ text }) => text);
  const all = added.split(' ').filter((word) => word !== '');
  const fixed = action === 'remove' ? wanted.find(({ text }) => own.includes(text)) : undefined;
  if (fixed !== undefined) {
    throw new Failure('input', `${fixed.text} is of the vif itself, and xenstore does not answer for it`, {
      hint: `by hand: vif-bridge online vif=${record.device} ... with other addresses in ip=`,
    });
  }
  const known = [...own, ...all];
  const after = changed(known, action, wanted, record.name, (word) => prefixesOf(word, 'the policy', mac));
  if (after === undefined) return nothing(wanted);
  const more = after.filter((word) => !own.includes(word));
  const write = (words: readonly string[]): void =>
    words.length === 0 ? files.remove('address', mac) : files.write('address', mac, [`ip += ${words.join(' ')}`]);
  write(more);
  return {
    where: `${files.fileOf('address', mac)}, for this MAC`,
    addresses: wanted.map(({ text }) => text),
    undo: async () => write(all),
  };
}

function nothing(wanted: readonly IpPrefix[]): AddressEdit {
  return { where: undefined, addresses: wanted.map(({ text }) => text), undo: async () => {} };
}

/** The words after the change; undefined if nothing changes. */
function changed(
  words: readonly string[],
  action: AddressAction,
  wanted: readonly IpPrefix[],
  name: string,
  read: (word: string) => readonly IpPrefix[],
): readonly string[] | undefined {
  const texts = (word: string): string[] => read(word).map(({ text }) => text);
  const has = (text: string): boolean => words.some((word) => texts(word).includes(text));
  if (action === 'add') {
    const more = wanted.map(({ text }) => text).filter((text) => !has(text));
    return more.length === 0 ? undefined : [...words, ...more];
  }
  const absent = wanted.find(({ text }) => !has(text));
  if (absent !== undefined) {
    throw new Failure('missing', `${name} has not been given ${absent.text}`, {
      hint: words.length === 0 ? 'it has no addresses' : `it has ${words.join(' ')}`,
    });
  }
  const left = words.filter((word) => !texts(word).some((text) => wanted.some((one) => one.text === text)));
  if (left.length > 0) return left;
  throw new Failure('input', `${shown(words.join(' '))} is all that ${name} has`, {
    hint: 'without any address no_ip of the policy holds, which may allow more; to close it: mode = disabled',
  });
}

function prefixesOf(text: string, at: string, mac: MacAddress): readonly IpPrefix[] {
  const { ipv4, ipv6 } = parseAddressList(text, at, mac);
  return [...ipv4, ...ipv6];
}
