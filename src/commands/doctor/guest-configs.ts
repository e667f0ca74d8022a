import { asFailure } from '../../errors.ts';
import { type AddressList, parseAddressList } from '../../net/address-list.ts';
import type { IpPrefix } from '../../net/ip-prefix.ts';
import { parseMac } from '../../net/mac-address.ts';
import { type ParsedNic, parseGuestConfig, parseNic } from '../../xen/guest-config.ts';
import type { Finding, Group, Look } from './finding.ts';

/** One element of `vif = [ ... ]` of a file. */
export interface ConfiguredNic extends ParsedNic {
  /** `/etc/xen/web1.cfg, vif 1` */
  readonly at: string;
  /** The guest's name; without one the file's. */
  readonly guest: string;
}

/** The configurations of guests on this host, once each: links of auto/ are to files that are read already. */
export function configuredNics({ read, list }: Pick<Look, 'read' | 'list'>): ConfiguredNic[] {
  const files = [
    ...list('/etc/xen').flatMap((name) => (name.endsWith('.cfg') ? [`/etc/xen/${name}`] : [])),
    ...list('/etc/xen/auto').map((name) => `/etc/xen/auto/${name}`),
  ];
  const texts = new Map<string, string>();
  for (const file of files) {
    const text = read(file);
    if (text !== undefined && !texts.has(text)) texts.set(text, file);
  }
  return [...texts].flatMap(([text, file]) => {
    const config = parseGuestConfig(text);
    const [name, vifs] = [config.get('name'), config.get('vif')];
    const guest = typeof name === 'string' ? name : file;
    return typeof vifs !== 'object'
      ? []
      : vifs.map((vif, index) => ({ ...parseNic(vif), at: `${file}, vif ${index + 1}`, guest }));
  });
}

/** What xl will silently make of `vif = [ ... ]` of the guests of this host. */
export const guestConfigs: Group = {
  name: 'guest configurations',
  look(look) {
    return configuredNics(look).flatMap((nic) => [...ignored(nic), ...macOf(nic), ...addressesOf(nic)]);
  },
};

const FORM = "vif = ['mac=00:16:3e:00:00:01,ip=192.0.2.10 2001:db8::10,bridge=xenbr0']";

function ignored({ at, keys, ignored: parts }: ConfiguredNic): Finding[] {
  return parts.map((part) => {
    if (/^\s*ip\s*=/i.test(part)) {
      return {
        id: 'ip-lost',
        severity: 'error',
        what: `${at}: xl ignores "${part}": it is not spelled ip=`,
        why: 'the guest is started without an address, and so is filtered as the policy has it for guests without one',
        fix: `write it without blanks, tabs and capitals: ${FORM}`,
      };
    }
    if (keys.has('ip') && /^\s*[\da-f.:]+(\/[\d.]+)?\s*$/i.test(part)) {
      return {
        id: 'ip-cut',
        severity: 'error',
        what: `${at}: xl cuts ip= at the comma, and ignores "${part}"`,
        why: 'the guest may not use that address',
        fix: `separate addresses with blanks: ${FORM}`,
      };
    }
    return {
      id: 'key-ignored',
      severity: 'warning',
      what: `${at}: xl ignores "${part}"`,
      why: 'it says so in one line on stderr, and starts the guest all the same',
      fix: `man xl-network-configuration has all keys; ${FORM}`,
    };
  });
}

function macOf({ at, keys }: ConfiguredNic): Finding[] {
  const mac = keys.get('mac');
  if (mac === undefined) {
    return [
      {
        id: 'mac-drawn',
        severity: 'note',
        what: `${at} names no MAC`,
        why: 'it is drawn at each start: leases, link-local addresses and [mac ...] of the policy do not hold',
        fix: `write one of your own: ${FORM}`,
      },
    ];
  }
  try {
    parseMac(mac, at);
    return [];
  } catch (error) {
    return [
      {
        id: 'mac-wrong',
        severity: 'error',
        what: `${at}: ${asFailure(error).message}`,
        why: 'xl starts the guest with another MAC, or half of this one',
        fix: `write six hexadecimal numbers: ${FORM}`,
      },
    ];
  }
}

function addressesOf({ at, keys }: ConfiguredNic): Finding[] {
  const addresses = listOf(keys.get('ip') ?? '', at);
  if (typeof addresses === 'string') {
    return [
      {
        id: 'ip-wrong',
        severity: 'error',
        what: `${at}: ${addresses}`,
        why: 'xl create will fail',
        fix: `write addresses or blocks: ${FORM}`,
      },
    ];
  }
  return [...addresses.ipv4, ...addresses.ipv6].filter(isWide).map((prefix) => ({
    id: 'wide-prefix',
    severity: 'warning',
    what: `${at}: the guest may use every address of ${prefix.text}`,
    why: "a block without host bits is the whole block, others' addresses and the gateway's in it too",
    fix: 'if one address with its netmask is meant, write it with its host bits: 192.0.2.10/24',
  }));
}

/** More than 256 addresses; of IPv6 more than the /64 that a guest may be given as its own. */
function isWide({ family, length }: IpPrefix): boolean {
  return length < (family === 4 ? 24 : 64);
}

/** The addresses, or why they are none. */
export function listOf(text: string, at: string): AddressList | string {
  try {
    return parseAddressList(text, at);
  } catch (error) {
    return asFailure(error).message;
  }
}
