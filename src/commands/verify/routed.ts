import type { RuleDrift } from '../../backends/backend.ts';
import type { Managed } from '../../backends/choice.ts';
import { LISTING_BYTES, toolFailure } from '../../effects/exec.ts';
import { Failure, failureLine } from '../../errors.ts';
import { grouped } from '../../grouped.ts';
import { endingHere, nowhereRoutes, toNowhere } from '../../port/nowhere-routes.ts';
import { routeDifferences, type SeenRoutedPort } from '../../port/route-differences.ts';
import { ADDRESSES, LINKS, readAddresses, readLinks } from '../../port/seen-port.ts';
import { NEIGHBOURS, PROXIES, ROUTES4, ROUTES6, readNeighbours, readRoutes } from '../../port/seen-routes.ts';
import type { LiveVif } from '../../state/present-devices.ts';
import { forwardingDifferences } from '../../vif/forwarding.ts';
import type { silencedAtHost } from '../../vif/host-accept.ts';
import { planRenewal, uplinksOf } from '../../vif/routed-renewal.ts';
import type { Source } from '../../vif/source.ts';
import { comparedVifs, wishedRules } from './compared.ts';
import {
  type Drift,
  damageDrift,
  inService,
  ruleDriftOf,
  rulesDrift,
  silence,
  straysIn,
  told,
  type VerifiedVif,
} from './drift.ts';

/** What was found of vifs that are on no bridge. */
export interface VerifiedRoutes {
  readonly vifs: readonly VerifiedVif[];
  readonly shared: readonly Drift[];
  /** What `takeOut` would take out. */
  readonly strays: readonly RuleDrift[];
}

/** What is compared. */
export interface RoutesToVerify {
  readonly vifs: readonly LiveVif[];
  readonly source: Promise<Source>;
  readonly silencing: ReturnType<typeof silencedAtHost>;
  /** They are all there are. */
  readonly all: boolean;
}

/** Compares rules, device, routes and settings of routed vifs with what policy and xenstore say now. */
export async function verifyRoutes(
  host: Managed,
  { vifs, source, silencing, all }: RoutesToVerify,
): Promise<VerifiedRoutes> {
  if (vifs.length === 0) return { vifs: [], shared: [], strays: [] };
  const seeing = lookAtRoutes(host);
  const looking = askedOnce(host);
  // What is routed elsewhere is told when it is configured.
  const uplinkOf = uplinksOf(looking, []);
  const comparing = comparedVifs(vifs, source, (one) => planRenewal(looking, one, uplinkOf));
  const wished = comparing.then((compared) => wishedRules(host, compared, all));
  const kernel = host.routedRules.compare(() => vifs.map(inService), wished);
  for (const promise of [seeing, kernel]) promise.catch(() => undefined);
  const [compared, portOf, { rules, drift: drifts }, silenced] = await Promise.all([
    comparing,
    seeing,
    kernel,
    silencing,
  ]);
  const { damages, sharedDamage } = rules;
  const nowhere = nowhereRoutes(host.netTable('route'), host.netTable('ipv6_route'));
  const ofRules = grouped(drifts.map((one) => [one.device, one]));
  return {
    vifs: compared.map(({ live, wanted }) => {
      const { record, device } = live;
      const own = { device: record.device, name: device.name, bridge: null };
      if (wanted instanceof Failure) return { ...own, drift: [], trouble: failureLine(wanted) };
      const seen = portOf(device.name);
      const damage = sharedDamage === undefined ? damages.get(record.device) : undefined;
      const { route } = wanted.prepared;
      const differing = seen === undefined ? [] : routeDifferences({ ...route, name: device.name }, seen);
      return {
        ...own,
        drift: [
          ...rulesDrift(ofRules.get(record.device) ?? [], damage),
          ...differing.map((one): Drift => ({ part: 'port', ...one })),
          ...forwardingDifferences(host, route).map((one): Drift => ({ part: 'host', ...one })),
          ...endingHere(nowhere, [...route.ipv4, ...route.ipv6], route.metric).map(
            (one): Drift => ({
              part: 'host',
              what: 'route',
              wished: `to ${device.name}`,
              found: toNowhere(one),
              security: false,
            }),
          ),
          ...silenced(inService(live)).map(silence),
          ...told(wanted),
        ],
        trouble: seen === undefined ? `ip tells nothing of ${device.name}` : null,
      };
    }),
    shared: [
      ...(sharedDamage === undefined ? [] : [damageDrift(sharedDamage, 'rules of routed vifs')]),
      ...(ofRules.get(undefined) ?? []).map(ruleDriftOf),
    ],
    strays: straysIn(drifts),
  };
}

/** Of all vifs behind one uplink the same is asked. */
function askedOnce(host: Managed): Managed {
  const asked = new Map<string, ReturnType<Managed['run']>>();
  return {
    ...host,
    run(tool, args, options) {
      if (options?.input !== undefined) return host.run(tool, args, options);
      const key = [tool, ...args].join(' ');
      const answer = asked.get(key) ?? host.run(tool, args, options);
      asked.set(key, answer);
      return answer;
    },
  };
}

const LIST_MS = 30_000;

/** By a program each for all devices. */
async function lookAtRoutes(host: Managed): Promise<(name: string) => SeenRoutedPort | undefined> {
  const list = async ([tool = '', ...args]: readonly string[]): Promise<string> => {
    const result = await host.run(tool, args, { timeoutMs: LIST_MS, mostBytes: LISTING_BYTES });
    if (result.status !== 0) throw toolFailure(tool, args, result);
    return result.stdout;
  };
  const [links, addresses, routes4, routes6, neighbours, proxies] = await Promise.all([
    list(LINKS).then(readLinks),
    list(ADDRESSES).then(readAddresses),
    list(ROUTES4).then(readRoutes),
    // A kernel without IPv6 refuses to tell.
    list(ROUTES6).then(readRoutes, () => []),
    list(NEIGHBOURS).then(readNeighbours),
    list(PROXIES).then(readNeighbours),
  ]);
  const byName = new Map(links.map((link) => [link.name, link]));
  const byDevice = <T extends { readonly device: string }>(all: readonly T[]): Map<string, T[]> =>
    grouped(all.map((one) => [one.device, one]));
  const own = {
    addresses: byDevice(addresses),
    routes: byDevice([...routes4, ...routes6]),
    neighbours: byDevice(neighbours),
  };
  return (name) => {
    const link = byName.get(name);
    if (link === undefined) return undefined;
    return {
      link,
      addresses: own.addresses.get(name) ?? [],
      routes: own.routes.get(name) ?? [],
      neighbours: own.neighbours.get(name) ?? [],
      proxies,
      setting: host.readSetting,
    };
  };
}
