import { type BothWays, drop, go, type Stage } from './stage.ts';
import { GROUP_BIT, ROUTING_PROTOCOLS, TUNNELS } from './wire.ts';

/**
 * Protocols that carry control traffic or another IP packet; the numbers are the same in IPv4 and IPv6 (IANA). Each
 * kind is dropped by a stage of its own, where a vif that may speak it (`allow`) goes on.
 *
 * @param ip the family, as the names of its stages begin
 */
export function controlProtocols<const Ip extends 'ip' | 'ip6'>(ip: Ip) {
  return [
    { values: TUNNELS, so: go(`${ip}/tunnel`) },
    { values: ROUTING_PROTOCOLS, so: go(`${ip}/routing`) },
    // VRRP and CARP share 112 (RFC 5798); 240 is pfsync, CARP's companion.
    { values: [112], so: go(`${ip}/vrrp`) },
    { values: [240], so: go(`${ip}/pfsync`) },
  ] as const;
}

/** UDP control protocols whose ports are below 1024: no client sends to or from them by chance. */
export const CONTROL_PORTS = [269, 520, 521, 654] as const; // MANET (RFC 5498), RIP, RIPng, AODV (RFC 3561)

/**
 * UDP control protocols on ports that a client may also draw as its source port, so that the answer to it goes there:
 * HSRP, HSRPv6, GLBP; LDP, OLSR, Babel. They are spoken to all, or between two such ports (GLBP, targeted LDP, Babel).
 */
export const FHRP_PORTS = [1985, 2029, 3222] as const;
export const ROUTING_PORTS = [646, 698, 6696] as const;

const ROUTING = 'Only who may take part in routing.';
const TUNNEL = 'Only who may tunnel: nobody judges what is inside.';
const HSRP = 'Only who may speak HSRP and GLBP.';
const PFSYNC = 'Only who may speak CARP: what its firewalls tell each other about connections.';

/** Control protocols: dropped, but for who may speak them, from its own addresses. */
export const CONTROL = {
  fromGuest: [
    stage('ip/tunnel', 'ip-tun', TUNNEL, [{ when: [{ vif: 'tunnels' }], so: go('ip/own') }], drop('tunnel')),
    stage('ip/routing', 'ip-rout', ROUTING, [{ when: [{ vif: 'routing' }], so: go('ip/own') }], drop('routing')),
    stage('ip/hsrp', 'ip-hsrp', HSRP, [{ when: [{ vif: 'hsrp' }], so: go('ip/own') }], drop('fhrp')),
    stage('ip/pfsync', 'ip-pfs', PFSYNC, [{ when: [{ vif: 'pfsync' }], so: go('ip/own') }], drop('fhrp')),
    stage(
      'ip/vrrp',
      'ip-vrrp',
      'Who may speak VRRP or CARP does so to its group, or to one peer (`unicast_peer` of keepalived).',
      [
        // Its TTL is asked by who hears it (RFC 5798 §7.1); who sends it writes what it likes.
        {
          when: [
            { vif: 'vrrp' },
            { field: 'ether daddr', is: '01:00:5e:00:00:12' },
            { field: 'ip daddr', is: '224.0.0.18' },
          ],
          so: go('ip/own'),
          why: 'RFC 5798 §5.1.1',
        },
        { when: [{ vif: 'vrrp' }, { field: 'ether daddr', notMasked: GROUP_BIT }], so: go('ip/own') },
      ],
      drop('fhrp'),
    ),
    stage('ip6/tunnel', 'ip6-tun', TUNNEL, [{ when: [{ vif: 'tunnels' }], so: go('ip6/plain') }], drop('tunnel')),
    stage('ip6/routing', 'ip6-rou', ROUTING, [{ when: [{ vif: 'routing' }], so: go('ip6/plain') }], drop('routing')),
    stage('ip6/hsrp', 'ip6-hsr', HSRP, [{ when: [{ vif: 'hsrp' }], so: go('ip6/plain') }], drop('fhrp')),
    stage('ip6/pfsync', 'ip6-pfs', PFSYNC, [{ when: [{ vif: 'pfsync' }], so: go('ip6/plain') }], drop('fhrp')),
    stage(
      'ip6/vrrp',
      'ip6-vrr',
      'As for IPv4.',
      [
        {
          when: [
            { vif: 'vrrp6' },
            { field: 'ether daddr', is: '33:33:00:00:00:12' },
            { field: 'ip6 daddr', is: 'ff02::12' },
          ],
          so: go('ip6/plain'),
          why: 'RFC 5798 §5.1.2',
        },
        { when: [{ vif: 'vrrp6' }, { field: 'ether daddr', notMasked: GROUP_BIT }], so: go('ip6/plain') },
      ],
      drop('fhrp'),
    ),
  ],
} as const satisfies BothWays;

function stage<const Name extends string, const Steps extends Stage['steps'], const Last extends Stage['otherwise']>(
  name: Name,
  short: string,
  about: string,
  steps: Steps,
  otherwise: Last,
) {
  return { name, short, about, steps, otherwise } as const;
}
