/**
 * Makes routed vifs that are in service, many at a time: devices, routes and the state that `online` would have left,
 * and then the rules by the program's own code. Runs inside the namespace; a RoutedOrder as JSON on stdin.
 */
import { execFileSync } from 'node:child_process';
import { text } from 'node:stream/consumers';
import { type Managed, withKnownRules } from '../../src/backends/choice.ts';
import { syslog } from '../../src/effects/log.ts';
import { parseInterfaceName } from '../../src/net/interface-name.ts';
import { readPolicy } from '../../src/policy/read-policy.ts';
import { restoreRouteLines, routeSettings, serveRouteLines } from '../../src/port/route-setup.ts';
import { systemHost } from '../../src/system-host.ts';
import { identified } from '../../src/vif/prepare.ts';
import { recordOf } from '../../src/vif/record.ts';
import { type PreparedRoute, planRoute } from '../../src/vif/routed-plan.ts';
import { readUplink, type Uplink } from '../../src/vif/uplink.ts';
import { type HotplugEvent, parseXenbusPath } from '../../src/xen/hotplug-event.ts';
import { type RoutedGuest, routedGuest, UPLINK } from './routed-guests.ts';

export interface RoutedOrder {
  readonly state: string;
  readonly config: string;
  readonly count: number;
  /** A namespace for the guests' ends. */
  readonly guests: string;
}

/** The kernel gives dom0's side of every vif this address. */
const VIF_MAC = 'fe:ff:ff:ff:ff:ff';

async function fill(order: RoutedOrder): Promise<void> {
  const guests = Array.from({ length: order.count }, (_, index) => routedGuest(index + 1));
  batch(
    guests.map(({ vif }) => {
      const peer = vif.replace('vif', 'guest');
      return `link add ${vif} address ${VIF_MAC} type veth peer name ${peer} netns ${order.guests}`;
    }),
  );
  const host = withKnownRules(
    systemHost({
      policy: readPolicy(order.config),
      stateDirectory: order.state,
      who: 'benchmark',
      log: syslog(false),
      deadlineMs: 600_000,
    }),
  );
  const uplink = await readUplink(host, parseInterfaceName(UPLINK, 'the benchmark'));
  // Before there is a record: each plan looks at those of all others.
  const plans = guests.map((one) => planned(host, one, uplink));
  for (const { prepared, present } of plans) host.state.writeVif(recordOf(host, prepared, present, undefined));
  for (const { prepared } of plans)
    for (const { path, value } of routeSettings(prepared.route)) host.writeSetting(path, value);
  batch(
    plans.flatMap(({ prepared: { route } }) =>
      [...restoreRouteLines(route), ...serveRouteLines(route)].map((line) => line.text),
    ),
  );
  await host.routedRules.repair();
}

function planned(
  host: Managed,
  one: RoutedGuest,
  uplink: Uplink,
): { readonly prepared: PreparedRoute; readonly present: NonNullable<ReturnType<Managed['readDevice']>> } {
  const xenbus = parseXenbusPath(`backend/vif/${one.domid}/0`);
  const device = parseInterfaceName(one.vif, 'the benchmark');
  const event: HotplugEvent = { command: 'online', type: 'vif', device, xenbus, given: {}, routed: true };
  const keys = new Map([
    ['mac', one.mac],
    ['ip', one.ip],
    ['gatewaydev', UPLINK],
  ]);
  const present = host.readDevice(one.vif);
  if (present === undefined) throw new Error(`${one.vif} is not there`);
  return { prepared: planRoute(host, identified(event, keys, undefined), event, uplink, present), present };
}

function batch(lines: readonly string[]): void {
  execFileSync('ip', ['-batch', '-'], { input: `${lines.join('\n')}\n`, stdio: ['pipe', 'ignore', 'inherit'] });
}

if (process.argv[1]?.endsWith('/fill-routed.ts') === true)
  await fill(JSON.parse(await text(process.stdin)) as RoutedOrder);
