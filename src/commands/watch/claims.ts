import type { IpPrefix } from '../../net/ip-prefix.ts';
import { contains, makePrefix } from '../../net/ip-prefix.ts';

/** What a port has of its own. */
export interface OwnIdentity {
  readonly macs: readonly string[];
  readonly prefixes: readonly IpPrefix[];
}

/** What a frame says of its sender that is not so. */
export interface Claim {
  readonly kind: 'mac' | 'address' | 'router' | 'dhcp-server';
  /** A MAC or an address. */
  readonly value: string;
}

/**
 * What tcpdump is to look for (pcap-filter(7)): frames that say something of their sender that is not so, and few
 * others. All values are of the own types: no text from outside gets into it.
 */
export function claimFilter({ macs, prefixes }: OwnIdentity): string {
  const of = (family: 4 | 6, more: readonly string[]): string =>
    [...more, ...prefixes.filter((one) => one.family === family).map(netOf)]
      .map((net) => `src net ${net}`)
      .join(' or ');
  const own = macs.map((mac) => `ether src ${mac}`).join(' or ');
  return [
    ...(own === '' ? [] : [`not (${own})`]),
    `(ip or arp) and not (${of(4, ['0.0.0.0/32'])})`,
    `arp and src net 0.0.0.0/32`,
    `ip6 and not (${of(6, ['::/128', 'fe80::/10'])})`,
    // Router advertisement, neighbour advertisement.
    'icmp6 and (ip6[40] = 134 or ip6[40] = 136)',
    'udp src port 67',
  ]
    .map((one) => `(${one})`)
    .join(' or ');
}

function netOf({ text, family, length }: IpPrefix): string {
  return text.includes('/') ? text : `${text}/${family === 4 ? 32 : length}`;
}

/** The frames that tcpdump has printed (`-xx`): lines of an offset and groups of hexadecimal digits. */
export function framesOf(printed: string): Buffer[] {
  const frames: string[] = [];
  for (const line of printed.split('\n')) {
    const [, offset, hex] = /^\s+0x([0-9a-f]+):\s+((?:[0-9a-f]{2,4}\s*)+)$/.exec(line) ?? [];
    if (offset === undefined || hex === undefined) continue;
    if (Number.parseInt(offset, 16) === 0) frames.push('');
    const bytes = hex.replace(/\s+/g, '');
    if (frames.length > 0) frames.push(`${frames.pop() ?? ''}${bytes}`);
  }
  return frames.map((hex) => Buffer.from(hex, 'hex'));
}

const TYPE = { ipv4: 0x0800, arp: 0x0806, ipv6: 0x86dd } as const;

/** What a frame claims; undefined if it claims nothing that is not its own, or is too short to. */
export function claimOf(frame: Buffer, own: OwnIdentity): Claim | undefined {
  if (frame.length < 14) return undefined;
  const type = frame.readUInt16BE(12);
  if (type === TYPE.arp && frame.length >= 42) {
    const sender = prefixAt(frame, 28, 4);
    // RFC 5227: a probe says by its target which address it asks for.
    const claimed = isUnspecified(sender) ? prefixAt(frame, 38, 4) : sender;
    if (!isOwn(claimed, own)) return { kind: 'address', value: claimed.text };
    return macClaim(frame, 22, own) ?? macClaim(frame, 6, own);
  }
  if (type === TYPE.ipv4 && frame.length >= 34) {
    const source = prefixAt(frame, 26, 4);
    if (!isUnspecified(source) && !isOwn(source, own)) return { kind: 'address', value: source.text };
    const header = ((frame[14] ?? 0) & 15) * 4;
    const udp = 14 + header;
    if (frame[23] === 17 && frame.length >= udp + 2 && frame.readUInt16BE(udp) === 67) {
      return { kind: 'dhcp-server', value: source.text };
    }
  }
  if (type === TYPE.ipv6 && frame.length >= 54) {
    const source = prefixAt(frame, 22, 16);
    const icmp = frame[20] === 58 ? frame[54] : undefined;
    if (icmp === 134) return { kind: 'router', value: source.text };
    if (icmp === 136 && frame.length >= 78) {
      const target = prefixAt(frame, 62, 16);
      if (!isOwn(target, own) && !target.text.startsWith('fe80:')) return { kind: 'address', value: target.text };
    }
    if (!isUnspecified(source) && !isOwn(source, own) && !source.text.startsWith('fe80:')) {
      return { kind: 'address', value: source.text };
    }
  }
  return macClaim(frame, 6, own);
}

function prefixAt(frame: Buffer, at: number, length: 4 | 16): IpPrefix {
  return makePrefix(Uint8Array.from(frame.subarray(at, at + length)), length * 8);
}

function isUnspecified({ bytes }: IpPrefix): boolean {
  return bytes.every((byte) => byte === 0);
}

function isOwn(address: IpPrefix, { prefixes }: OwnIdentity): boolean {
  return prefixes.some((prefix) => contains(prefix, address));
}

function macClaim(frame: Buffer, at: number, { macs }: OwnIdentity): Claim | undefined {
  const mac = [...frame.subarray(at, at + 6)].map((byte) => byte.toString(16).padStart(2, '0')).join(':');
  return macs.includes(mac) ? undefined : { kind: 'mac', value: mac };
}
