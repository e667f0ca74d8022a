import { Failure } from '../errors.ts';
import type { Host } from '../host.ts';
import type { Difference } from '../port/differences.ts';
import type { RouteSetup } from '../port/route-setup.ts';

/** Whether this host forwards, by version of IP; a kernel without IPv6 has none for that. */
const FORWARDING = { 4: 'ipv4/ip_forward', 6: 'ipv6/conf/all/forwarding' } as const;

type SettingHost = Pick<Host, 'readSetting' | 'writeSetting' | 'policy' | 'log'>;

/**
 * A host that does not forward answers for its guests, and drops what is for them. `forwarding = set` switches it on;
 * else it is an error with the line to type.
 *
 * IPv6 has a trap: a host that forwards ignores router advertisements, unless `accept_ra` is 2, and so loses its own
 * default route (net/ipv6/ndisc.c: ndisc_router_discovery, ipv6_accept_ra).
 *
 * @throws Failure `missing`
 */
export function checkForwarding(host: SettingHost, { ipv4, ipv6, uplink, name }: RouteSetup): void {
  const [first6] = ipv6;
  if (first6 !== undefined && host.readSetting(FORWARDING[6]) === undefined) {
    throw new Failure('missing', `this host has no IPv6, and ${name} has ${first6.text}`, {
      at: 'ip',
      hint: 'leave its addresses of IPv6 out, or start the kernel without ipv6.disable=1',
    });
  }
  const ra = `ipv6/conf/${uplink}/accept_ra`;
  const trap = host.readSetting(ra) === '1';
  for (const { path, family } of unset(host, { ipv4, ipv6 })) {
    const first = family === 'IPv6' && trap;
    if (host.policy.forwarding === 'set') {
      if (first && host.writeSetting(ra, '2'))
        host.log.say('info', `${word(ra)} = 2: it forwards, and still hears routers`);
      if (host.writeSetting(path, '1')) {
        host.log.say('info', `${word(path)} = 1 (forwarding = set)`);
        continue;
      }
    }
    const line = `sysctl -w ${first ? `${word(ra)}=2 ` : ''}${word(path)}=1`;
    throw new Failure('missing', `this host does not forward ${family}: ${word(path)} is 0`, {
      at: 'forwarding',
      hint:
        `${line}${first ? ' (a host that forwards loses the default route of router advertisements unless accept_ra is 2)' : ''}` +
        '; or forwarding = set',
    });
  }
}

/** The same for who only looks. */
export function forwardingDifferences(host: Pick<Host, 'readSetting'>, setup: Families): Difference[] {
  return unset(host, setup).map(({ path }) => ({ what: word(path), wished: '1', found: '0', security: false }));
}

type Families = Pick<RouteSetup, 'ipv4' | 'ipv6'>;

/** What is not switched on, and must be. */
function unset(
  { readSetting }: Pick<Host, 'readSetting'>,
  { ipv4, ipv6 }: Families,
): { readonly path: string; readonly family: string }[] {
  return [
    ...(ipv4.length === 0 ? [] : [{ path: FORWARDING[4], family: 'IPv4' }]),
    ...(ipv6.length === 0 ? [] : [{ path: FORWARDING[6], family: 'IPv6' }]),
  ].filter(({ path }) => (readSetting(path) ?? '0') === '0');
}

/** As sysctl(8) takes it: slashes work where a device's name has a dot. */
function word(path: string): string {
  return path.includes('.') ? `net/${path}` : `net.${path.replaceAll('/', '.')}`;
}
