import { routeScript } from '../kernel/routed-site.ts';
import { backendPath, vifBackend } from '../lab/vif-backend.ts';
import { type Form, LAUNCHER } from './rounds.ts';

/** One vif of a test: who it is, and what it may use. */
export interface GuestVif {
  readonly device: string;
  readonly domid: number;
  readonly devid: number;
  readonly mac: string;
  readonly ipv4: string;
  readonly ipv6: string;
  /** XENBUS_PATH, and the same as an absolute path. */
  readonly xenbus: string;
  readonly backend: string;
}

/**
 * @param domid 1 to 100: it is also in the addresses
 * @param devid 0 or 1
 */
export function guestVif(domid: number, devid = 0): GuestVif {
  const host = 20 + domid * 2 + devid;
  return {
    device: `vif${domid}.${devid}`,
    domid,
    devid,
    mac: `00:16:3e:5e:${hex(domid)}:${hex(devid)}`,
    ipv4: `10.0.0.${host}`,
    ipv6: `fd00::${(0x7000 + host).toString(16)}`,
    xenbus: `backend/vif/${domid}/${devid}`,
    backend: backendPath(domid, devid),
  };
}

/** Its keys in xenstore, as libxl writes them: `vif_ioemu` for one that has an emulated twin (HVM). */
export function xenstoreKeys(
  vif: GuestVif,
  bridge: string,
  type: 'vif' | 'vif_ioemu' = 'vif',
  form: Form = 'nftables',
): Record<string, string> {
  const { domid, devid, mac, ipv4, ipv6 } = vif;
  const behind = form === 'route' ? { gatewaydev: bridge } : { bridge };
  return vifBackend({ domid, devid, mac, ip: `${ipv4} ${ipv6}`, type, script: scriptOf(form), ...behind });
}

/** The script that Xen runs. */
export function scriptOf(form: Form): string {
  return form === 'route' ? routeScript(LAUNCHER) : LAUNCHER;
}

/** An UDP datagram in a broadcast frame: it reaches every port, whatever the bridge has learned. */
export function datagram(from: { mac: string; ipv4: string }, tag: number, to: { mac: string; ipv4: string }): Buffer {
  const frame = Buffer.alloc(60);
  Buffer.from(to.mac.replaceAll(':', ''), 'hex').copy(frame, 0);
  Buffer.from(from.mac.replaceAll(':', ''), 'hex').copy(frame, 6);
  frame.writeUInt16BE(0x0800, 12);
  frame.set([0x45, 0, 0, 46, 0, 0, 0, 0, 64, 17], 14);
  frame.set(from.ipv4.split('.').map(Number), 26);
  frame.set(to.ipv4.split('.').map(Number), 30);
  frame.writeUInt16BE(checksum(frame.subarray(14, 34)), 24);
  frame.writeUInt16BE(7000 + tag, 34);
  frame.writeUInt16BE(7000, 36);
  frame.writeUInt16BE(26, 38);
  frame.writeUInt16BE(tag, 42);
  return frame;
}

export const EVERYBODY = { mac: 'ff:ff:ff:ff:ff:ff', ipv4: '255.255.255.255' };

/** RFC 1071. */
function checksum(header: Buffer): number {
  let sum = 0;
  for (let at = 0; at < header.length; at += 2) sum += header.readUInt16BE(at);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >> 16);
  return ~sum & 0xffff;
}

function hex(byte: number): string {
  return byte.toString(16).padStart(2, '0');
}
