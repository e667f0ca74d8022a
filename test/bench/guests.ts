import { type VifConfig, vifBackend } from '../lab/vif-backend.ts';

/** A guest of the benchmark: two IPv4 and two IPv6 addresses, and a MAC that no other has. */
export interface Guest {
  readonly domid: number;
  readonly devid: number;
  readonly vif: string;
  readonly mac: string;
  readonly ipv4: string;
  readonly ip: string;
  readonly bridge: string;
}

/** @param domid 1 to 32751 (xen/include/public/xen.h: DOMID_FIRST_RESERVED) */
export function guest(domid: number, devid = 0, bridge = 'br0'): Guest {
  const [high, low] = [domid >> 8, domid & 255];
  const ipv4 = `10.${100 + devid}.${high}.${low}`;
  return {
    domid,
    devid,
    vif: `vif${domid}.${devid}`,
    mac: ['00', '16', '3e', hex(high), hex(low), hex(devid)].join(':'),
    ipv4,
    ip: `${ipv4} 10.${200 + devid}.${high}.${low} 2001:db8::${devid}:${domid.toString(16)} 2001:db8:1::${devid}:${domid.toString(16)}`,
    bridge,
  };
}

/** The xenstore keys of a guest, as libxl writes them. */
export function guestKeys(one: Guest): Record<string, string> {
  const { domid, devid, mac, ip, bridge } = one;
  const config: VifConfig = { domid, devid, mac, ip, bridge, script: '/etc/xen/scripts/vif-bridge' };
  return vifBackend(config);
}

function hex(byte: number): string {
  return byte.toString(16).padStart(2, '0');
}
