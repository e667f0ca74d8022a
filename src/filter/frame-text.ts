import ipaddr from 'ipaddr.js';
import { protocolText } from '../rules/protocols.ts';
import { byte, ETHERNET_BYTES, type Frame, word } from './frame.ts';
import { readBits, readField } from './frame-fields.ts';
import { ETHERTYPE, LLC_LENGTHS, PROTOCOL } from './wire.ts';

/** A frame in one line for people, printable: `00:16:3e:00:00:01 > ff:ff:ff:ff:ff:ff ARP who-has 192.0.2.1 ...`. */
export function frameText(frame: Frame): string {
  const { bytes } = frame;
  return `${macText(bytes, 6)} > ${macText(bytes, 0)} ${contentText(frame)}`;
}

function contentText(frame: Frame): string {
  const { bytes, etherType } = frame;
  switch (etherType) {
    case ETHERTYPE.ip:
      return ipText(frame, 'ip');
    case ETHERTYPE.ip6:
      return ipText(frame, 'ip6');
    case ETHERTYPE.arp:
    case ETHERTYPE.rarp:
      return arpText(frame);
    case ETHERTYPE.vlan:
    case ETHERTYPE.qinq: {
      const tag = etherType === ETHERTYPE.vlan ? '802.1Q' : '802.1ad';
      if (bytes.length < ETHERNET_BYTES + 4) return `${tag}, cut off`;
      return `${tag} vlan ${word(bytes, 14) & 0xfff} of ${typeText(word(bytes, 16))}`;
    }
    default:
      return etherType <= LLC_LENGTHS[1]
        ? `802.3 length ${etherType}${bytes.length < 17 ? '' : `, LLC ${hex(byte(bytes, 14), 2)} ${hex(byte(bytes, 15), 2)}`}`
        : typeText(etherType);
  }
}

const TYPES: Readonly<Record<number, string>> = {
  [ETHERTYPE.ip]: 'IPv4',
  [ETHERTYPE.ip6]: 'IPv6',
  [ETHERTYPE.arp]: 'ARP',
  [ETHERTYPE.rarp]: 'RARP',
  [ETHERTYPE.vlan]: '802.1Q',
  [ETHERTYPE.qinq]: '802.1ad',
};

function typeText(type: number): string {
  return TYPES[type] ?? `ether type 0x${hex(type, 4)}`;
}

function arpText(frame: Frame): string {
  const name = frame.etherType === ETHERTYPE.arp ? 'ARP' : 'RARP';
  const operation = readField(frame, 'arp operation');
  const sender = readField(frame, 'arp saddr ip');
  const target = readField(frame, 'arp daddr ip');
  const senderMac = readField(frame, 'arp saddr ether');
  if (operation === undefined || sender === undefined || target === undefined || senderMac === undefined)
    return `${name}, cut off`;
  const [who, whom] = [addressText(sender, 4), addressText(target, 4)];
  const mac = macText(frame.bytes, ETHERNET_BYTES + 8);
  if (name === 'RARP') return `RARP operation ${operation} of ${mac}`;
  if (operation === 1n && sender === 0n) return `ARP probe for ${whom}`;
  if (operation === 1n) return `ARP who-has ${whom} tell ${who} (${mac})`;
  if (operation === 2n) return `ARP reply ${who} is-at ${mac} to ${whom}`;
  return `ARP operation ${operation}`;
}

function ipText(frame: Frame, family: 'ip' | 'ip6'): string {
  const name = family === 'ip' ? 'IPv4' : 'IPv6';
  const size = family === 'ip' ? 4 : 16;
  const source = readField(frame, `${family} saddr`);
  const destination = readField(frame, `${family} daddr`);
  if (source === undefined || destination === undefined) return `${name}, cut off`;
  const ends = (ports?: readonly [bigint, bigint]): string =>
    [source, destination].map((address, at) => endText(addressText(address, size), ports?.[at])).join(' > ');
  const { upper } = frame;
  if (upper === undefined) return `${name} ${ends()}, not whole or malformed`;
  if (upper.fragmentOffset !== 0) return `${name} ${ends()} fragment of ${protocolName(upper.protocol)}`;
  const ports = portsOf(frame);
  return `${name} ${ends(ports)} ${upperText(frame, upper.protocol)}`;
}

function endText(address: string, port: bigint | undefined): string {
  if (port === undefined) return address;
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;
}

const WITH_PORTS: readonly number[] = [PROTOCOL.tcp, PROTOCOL.udp, 33, 132, 136];

function portsOf(frame: Frame): readonly [bigint, bigint] | undefined {
  if (frame.upper === undefined || !WITH_PORTS.includes(frame.upper.protocol)) return undefined;
  const [source, destination] = [readBits(frame, 'upper', 0, 16), readBits(frame, 'upper', 16, 16)];
  return source === undefined || destination === undefined ? undefined : [source, destination];
}

/** ICMPv6 types whose target is worth a look (RFC 4861). */
const NEIGHBOURS: Readonly<Record<number, string>> = {
  135: 'neighbour solicitation for',
  136: 'neighbour advertisement of',
};
const ICMP6: Readonly<Record<number, string>> = {
  128: 'echo request',
  129: 'echo reply',
  130: 'MLD query',
  131: 'MLD report',
  132: 'MLD done',
  133: 'router solicitation',
  134: 'router advertisement',
  137: 'redirect',
  143: 'MLDv2 report',
};
const ICMP: Readonly<Record<number, string>> = { 0: 'echo reply', 3: 'unreachable', 5: 'redirect', 8: 'echo request' };
const DHCP_MESSAGES = ['', 'discover', 'offer', 'request', 'decline', 'ack', 'nak', 'release', 'inform'] as const;

function upperText(frame: Frame, protocol: number): string {
  if (protocol === PROTOCOL.icmpv6) {
    const type = Number(readField(frame, 'icmpv6 type') ?? -1n);
    const about = NEIGHBOURS[type];
    const target = readField(frame, 'nd target');
    if (about !== undefined && target !== undefined) return `${about} ${addressText(target, 16)}`;
    return `icmp6 ${ICMP6[type] ?? `type ${type}`}`;
  }
  if (protocol === PROTOCOL.icmp) {
    const type = Number(readField(frame, 'icmp type') ?? -1n);
    return `icmp ${ICMP[type] ?? `type ${type}`}`;
  }
  if (protocol === PROTOCOL.igmp) return `igmp type 0x${hex(Number(readField(frame, 'igmp type') ?? 0n), 2)}`;
  if (protocol === PROTOCOL.udp) return `udp${dhcpText(frame)}`;
  return protocolName(protocol);
}

function protocolName(number: number): string {
  const name = protocolText(number);
  return name === String(number) ? `protocol ${name}` : name;
}

/** With the message type where servers and clients put it: as the first option (RFC 2132 §9.6). */
function dhcpText(frame: Frame): string {
  const ports = [readField(frame, 'udp sport'), readField(frame, 'udp dport')];
  if (!ports.every((port) => port === 67n || port === 68n)) return '';
  const option = readBits(frame, 'upper', 1984, 16);
  const message = option === 0x3501n ? readBits(frame, 'upper', 2000, 8) : undefined;
  return ` DHCP ${DHCP_MESSAGES[Number(message ?? 0n)] ?? ''}`.trimEnd();
}

function addressText(bits: bigint, size: number): string {
  const bytes = Array.from({ length: size }, (_, at) => Number((bits >> BigInt(8 * (size - 1 - at))) & 0xffn));
  return ipaddr.fromByteArray(bytes).toString();
}

function macText(bytes: Uint8Array, at: number): string {
  return [...bytes.subarray(at, at + 6)].map((one) => hex(one, 2)).join(':');
}

function hex(value: number, digits: number): string {
  return value.toString(16).padStart(digits, '0');
}
