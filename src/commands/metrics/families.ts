import type { HostStatus, PortStatus } from '../status.ts';
import { OPENINGS, type Opening } from '../unfiltered.ts';
import type { Family, Sample } from './open-metrics.ts';

/** What is not of the ports. */
export interface Surroundings {
  /** The name of this host, so that a fleet can be compared. */
  readonly host: string;
  /** Of this program. */
  readonly version: string;
}

const STATES = ['managed', 'unmanaged', 'exempt', 'damaged'] as const satisfies readonly PortStatus['state'][];

/**
 * What a host has to tell Prometheus. A series for each port, for each address of one, and for each reason for which
 * one has dropped anything: nothing that a guest could make more of.
 */
export function families({ ports, backend, fills }: HostStatus, { host, version }: Surroundings): Family[] {
  const own = ports.filter(({ since }) => since !== undefined);
  const applied = own.flatMap(({ since }) => secondsOf(since));
  return [
    {
      name: 'xen_vif_bridge_build_info',
      kind: 'gauge',
      help: 'The program, and the packet filter that has its rules.',
      samples: [{ labels: { version, backend }, value: 1 }],
    },
    {
      name: 'xen_vif_ports',
      kind: 'gauge',
      help: 'Ports of guests by state. Damaged: somebody has changed the port or its rules since (drift).',
      samples: STATES.map((state) => counted({ state }, ports, (port) => port.state === state)),
    },
    {
      name: 'xen_vif_open_ports',
      kind: 'gauge',
      help: 'Ports of ours that are not filtered: mode = observe, mode = unlocked, or no_ip = unrestricted.',
      samples: OPENINGS.map((reason) => counted({ reason }, ports, (port) => openBy(port) === reason)),
    },
    {
      name: 'xen_vif_overdue_ports',
      kind: 'gauge',
      help: 'Those of them whose time is over (until), and that nobody has re-applied since.',
      samples: [{ labels: {}, value: ports.filter(({ overdue }) => overdue !== undefined).length }],
    },
    {
      name: 'xen_vif_port_info',
      kind: 'gauge',
      help: 'Each port of a guest.',
      samples: ports.map((port) => ({
        labels: {
          vif: port.name,
          guest: guestOf(port),
          domid: String(port.guest?.domid ?? ''),
          bridge: port.bridge ?? '',
          state: port.state,
          open: openBy(port) ?? '',
          host,
        },
        value: 1,
      })),
    },
    {
      name: 'xen_vif_address_info',
      kind: 'gauge',
      help: 'Who may use which address; address is empty where a port has none of its own.',
      samples: own.flatMap((port) => addressesOf(port, host)),
    },
    {
      name: 'xen_vif_shared_address_info',
      kind: 'gauge',
      help: 'Addresses that several guests may have (shared = of the policy).',
      samples: [...new Set(own.flatMap(({ shared }) => shared))].map((address) => ({
        labels: { address, host },
        value: 1,
      })),
    },
    {
      name: 'xen_vif_drops_total',
      kind: 'counter',
      help: 'Frames dropped, by port and reason.',
      samples: ports.filter(({ observed }) => !observed).flatMap(dropsOf),
    },
    {
      name: 'xen_vif_observed_drops_total',
      kind: 'counter',
      help: 'Frames that mode = locked would have dropped.',
      samples: ports.filter(({ observed }) => observed).flatMap(dropsOf),
    },
    {
      name: 'xen_vif_set_elements',
      kind: 'gauge',
      help: 'Elements in the sets of the kernel that frames fill: counters of drops, conversations.',
      samples: fills.map(({ set, elements }) => ({ labels: { set }, value: elements })),
    },
    {
      name: 'xen_vif_set_capacity',
      kind: 'gauge',
      help: 'Elements that such a set was made for.',
      samples: fills.map(({ set, size }) => ({ labels: { set }, value: size })),
    },
    {
      name: 'xen_vif_last_apply_timestamp_seconds',
      kind: 'gauge',
      help: 'When rules of a port were loaded last, of all ports.',
      samples: applied.length === 0 ? [] : [{ labels: {}, value: applied.reduce((a, b) => Math.max(a, b)) }],
    },
  ];
}

function counted(labels: Sample['labels'], ports: readonly PortStatus[], is: (port: PortStatus) => boolean): Sample {
  return { labels, value: ports.filter(is).length };
}

/** Why a port of ours is not filtered; undefined if it is. */
function openBy({ unfiltered }: PortStatus): Opening | undefined {
  return unfiltered === 'unmanaged' ? undefined : unfiltered;
}

/** Empty where xenstore does not say it. */
function guestOf(port: PortStatus): string {
  return port.guest?.name ?? '';
}

function addressesOf(port: PortStatus, host: string): Sample[] {
  const { mac = '', name: vif } = port;
  const all = new Set([...port.addresses, ...port.learned.map(({ address }) => address)]);
  return [...(all.size === 0 ? [''] : all)].map((address) => ({
    labels: { mac, address, guest: guestOf(port), vif, host },
    value: 1,
  }));
}

function dropsOf(port: PortStatus): Sample[] {
  return port.drops.map(({ direction, reason, packets }) => ({
    labels: { vif: port.name, guest: guestOf(port), direction, reason },
    value: packets,
  }));
}

function secondsOf(time: string | undefined): number[] {
  const milliseconds = Date.parse(time ?? '');
  return Number.isNaN(milliseconds) ? [] : [Math.floor(milliseconds / 1000)];
}
