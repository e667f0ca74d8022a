/**
 * Makes vifs that are in service, many at a time: devices, ports and the state that `online` would have left, and then
 * the rules by the program's own code. Runs inside the namespace; a FillOrder as JSON on stdin.
 */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { text } from 'node:stream/consumers';
import { withKnownRules } from '../../src/backends/choice.ts';
import { syslog } from '../../src/effects/log.ts';
import { buildPlan } from '../../src/filter/plan.ts';
import type { Host } from '../../src/host.ts';
import { parseInterfaceName } from '../../src/net/interface-name.ts';
import { readPolicy } from '../../src/policy/read-policy.ts';
import { resolvePolicy } from '../../src/policy/resolve-policy.ts';
import { guestGroup } from '../../src/port/guest-group.ts';
import { fdbLines, joinLines } from '../../src/port/port-setup.ts';
import { type WishedPort, wishPort } from '../../src/port/wished-port.ts';
import { systemHost } from '../../src/system-host.ts';
import { parseIdentity } from '../../src/xen/vif-identity.ts';
import { type Guest, guest } from './guests.ts';

export interface FillOrder {
  readonly state: string;
  /** The policy file. */
  readonly config: string;
  readonly count: number;
  /** A namespace for the guests' ends: dom0 has only one device for each vif. */
  readonly guests: string;
}

/** A Linux bridge has at most 1023 ports (net/bridge/br_private.h, BR_PORT_BITS). */
const PORTS_PER_BRIDGE = 1000;
/** The kernel gives dom0's side of every vif this address. */
const VIF_MAC = 'fe:ff:ff:ff:ff:ff';

/** The guests that fill a host, in bridges of their own. */
export function fillers(count: number): Guest[] {
  return Array.from({ length: count }, (_, index) =>
    guest(index + 1, 0, `br${1 + Math.floor(index / PORTS_PER_BRIDGE)}`),
  );
}

async function fill(order: FillOrder): Promise<void> {
  const guests = fillers(order.count);
  const bridges = [...new Set(guests.map((one) => one.bridge))];
  batch('ip', [
    ...bridges.flatMap((bridge) => [
      `link add ${bridge} type bridge stp_state 0 forward_delay 0 mcast_snooping 0`,
      `link set ${bridge} up`,
    ]),
    ...guests.flatMap(({ vif }) => {
      const peer = vif.replace('vif', 'guest');
      return [`link add ${vif} address ${VIF_MAC} type veth peer name ${peer} netns ${order.guests}`];
    }),
  ]);
  const host = systemHost({
    policy: readPolicy(order.config),
    stateDirectory: order.state,
    who: 'benchmark',
    log: syslog(false),
    deadlineMs: 600_000,
  });
  const setups = guests.map((one) => record(host, one));
  // As `online` leaves them: without, dom0 has an address and routes on each.
  for (const { name } of setups) host.disableIpv6(name);
  batch(
    'ip',
    setups.flatMap((setup) => [...joinLines(setup).map((line) => line.text), `link set dev ${setup.name} up`]),
  );
  batch(
    'bridge',
    setups.flatMap((setup) => fdbLines(setup).map((line) => line.text)),
  );
  await withKnownRules(host).rules.repair();
}

/** The record of a vif as `online` leaves it, and how its port is set up. */
function record(host: Host, one: Guest): WishedPort {
  const values = { mac: one.mac, ip: one.ip, bridge: one.bridge, nicType: 'vif' };
  const device = parseInterfaceName(one.vif, 'the benchmark');
  const vif = parseIdentity({ device, type: 'vif' }, values, 'the benchmark');
  const plan = buildPlan(vif, resolvePolicy(host.policy, vif, host.now()), []);
  const ifindex = Number(readFileSync(`/sys/class/net/${one.vif}/ifindex`, 'utf8'));
  const terms = { ifindex, values: plan.terms.values, flags: plan.terms.flags, program: plan.terms.program };
  host.state.writeVif({
    schema: 1,
    bootId: host.bootId(),
    device: one.vif,
    name: one.vif,
    type: 'vif',
    bridge: one.bridge,
    values,
    xenbus: `backend/vif/${one.domid}/${one.devid}`,
    mode: plan.mode,
    subnetBroadcasts: [],
    shared: false,
    ingress: false,
    ifindex,
    loaded: [terms],
    ticket: 0,
    since: host.now(),
  });
  return wishPort({
    device: one.vif,
    name: one.vif,
    group: guestGroup(ifindex),
    bridge: one.bridge,
    macs: [vif.mac],
    mtu: 0,
    rename: false,
    binding: 'pinned',
  });
}

function batch(tool: 'ip' | 'bridge', lines: readonly string[]): void {
  execFileSync(tool, ['-batch', '-'], { input: `${lines.join('\n')}\n`, stdio: ['pipe', 'ignore', 'inherit'] });
}

if (process.argv[1]?.endsWith('/fill.ts') === true) await fill(JSON.parse(await text(process.stdin)) as FillOrder);
