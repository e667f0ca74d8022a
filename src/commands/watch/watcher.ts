import { withHeldRules } from '../../backends/choice.ts';
import { isNotInstalled } from '../../effects/exec.ts';
import { asFailure } from '../../errors.ts';
import { SPOOFING } from '../../filter/spoofing.ts';
import type { Host } from '../../host.ts';
import { parsePrefix } from '../../net/ip-prefix.ts';
import { once } from '../../once.ts';
import { liveRecords, readOnce } from '../../state/present-devices.ts';
import { seenRules } from '../../vif/seen-rules.ts';
import { hostStatus, type PortStatus } from '../status.ts';
import { isOpen } from '../status-view.ts';
import { type Claim, claimFilter, claimOf, framesOf, type OwnIdentity } from './claims.ts';
import { firstLook, nextLook, type Rate, type Rates } from './rates.ts';
import { victimOf } from './victims.ts';

/** One port and reason, for people and programs. */
export interface Watched extends Rate {
  readonly vif: string;
  readonly guest: string | undefined;
  /** The reason says that it pretends to be somebody else. */
  readonly spoofing: boolean;
  /** Nothing is dropped: `mode = observe`. */
  readonly observed: boolean;
  /** What it claimed last; undefined where that is not known. */
  readonly claim: Claim | undefined;
  /** Whose that is. */
  readonly victim: string | undefined;
}

/** Who is spoofing now. */
export interface Watcher {
  /** Looks at the counters; the first look only begins. */
  look(): Promise<readonly Watched[]>;
  /** Of whom nobody knows by the last look what they do: ports whose rules are not as they were loaded, by why. */
  damaged(): ReadonlyMap<string, string>;
  /** Ports that nobody filters: who they pretend to be is not known either. */
  open(): readonly string[];
  /** Looks at frames of the worst offenders, for at most so long. False where there is no tcpdump. */
  lookAtFrames(ms: number): Promise<boolean>;
}

/** Names and addresses are asked for anew after so many looks. */
const FRESH = 10;
/** So many ports are listened at, at once. */
const MOST_HEARD = 4;

/** @param clock milliseconds, only ever growing */
export function watcher(host: Host, clock: () => number): Watcher {
  let rates: Rates | undefined;
  let ports: ReadonlyMap<number, PortStatus> = new Map();
  let looks = 0;
  let damages: ReadonlyMap<string, string> = new Map();
  const claims = new Map<number, Claim>();

  const watched = (): readonly Watched[] =>
    (rates?.rates ?? [])
      .flatMap((rate): Watched[] => {
        const port = ports.get(rate.ifindex);
        if (port === undefined) return [];
        const spoofing = rate.direction === 'from-guest' && SPOOFING.some((reason) => reason === rate.reason);
        const claim = spoofing ? claims.get(rate.ifindex) : undefined;
        return [
          {
            ...rate,
            vif: port.name,
            guest: port.guest?.name,
            spoofing,
            observed: port.observed,
            claim,
            victim: claim && victimOf(claim, port, [...ports.values()], host),
          },
        ];
      })
      .sort((a, b) => Number(b.spoofing) - Number(a.spoofing) || b.now - a.now || a.vif.localeCompare(b.vif));

  return {
    async look() {
      if (looks % FRESH === 0) ports = await portsByIndex(host);
      looks += 1;
      const records = once(() => liveRecords(host));
      const seen = await seenRules(withHeldRules(readOnce(host)), records);
      damages = new Map(
        records().flatMap(({ device, name }): [string, string][] => {
          const damage = seen.damages.get(device);
          return damage === undefined ? [] : [[name, damage]];
        }),
      );
      const counted = { at: clock(), drops: seen.drops };
      rates = rates === undefined ? firstLook(counted) : nextLook(rates, counted);
      return watched();
    },
    damaged: () => damages,
    open: () => [...ports.values()].filter(isOpen).map(({ name }) => name),
    async lookAtFrames(ms) {
      const offenders = [...new Set(watched().flatMap((one) => (one.spoofing && one.now > 0 ? [one.ifindex] : [])))];
      const heard = await Promise.all(
        offenders.slice(0, MOST_HEARD).map(async (ifindex) => {
          const port = ports.get(ifindex);
          if (port === undefined) return true;
          const claim = await claimAt(host, port, ms);
          if (typeof claim === 'object') claims.set(ifindex, claim);
          return claim !== 'no tcpdump';
        }),
      );
      return heard.every((there) => there);
    },
  };
}

async function portsByIndex(host: Host): Promise<ReadonlyMap<number, PortStatus>> {
  const { ports } = await hostStatus(host, undefined);
  return new Map(
    ports.flatMap((port): [number, PortStatus][] => {
      const ifindex = host.readDevice(port.name)?.ifindex;
      return ifindex === undefined ? [] : [[ifindex, port]];
    }),
  );
}

/** What a port claims, by the next frame of it that claims anything; tcpdump sees frames before any hook. */
async function claimAt(host: Host, port: PortStatus, ms: number): Promise<Claim | 'no tcpdump' | undefined> {
  const own = identityOf(port);
  const args = ['-i', port.name, '-Q', 'in', '-p', '-n', '-t', '-l', '-s', '128', '-c', '1', '-xx', claimFilter(own)];
  try {
    const { stdout, status, stderr } = await host.run('tcpdump', args, { timeoutMs: ms, lockless: true });
    if (status !== 0) host.log.say('debug', `tcpdump -i ${port.name}: ${stderr.trim()}`);
    return framesOf(stdout).flatMap((frame) => claimOf(frame, own) ?? [])[0];
  } catch (error) {
    if (isNotInstalled(error)) return 'no tcpdump';
    // It heard nothing in that time.
    if (asFailure(error).code === 'timeout') return undefined;
    throw error;
  }
}

function identityOf({ mac, extraMacs, addresses, routes, learned }: PortStatus): OwnIdentity {
  const extra = extraMacs.split(' ').filter((one) => /^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/.test(one));
  const all = [...addresses, ...routes, ...learned.map(({ address }) => address)];
  return {
    macs: [...(mac === undefined ? [] : [mac]), ...extra],
    prefixes: all.flatMap((text) => parsePrefix(text) ?? []),
  };
}
