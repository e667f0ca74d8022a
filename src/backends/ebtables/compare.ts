import { Failure, failureLine } from '../../errors.ts';
import { once } from '../../once.ts';
import type { BaseRecord, VifRecord } from '../../state/records.ts';
import type { ComparedRules, PlannedPort, RuleDrift, WishedRules } from '../backend.ts';
import { currentBase } from '../base.ts';
import { neighbours } from '../neighbours.ts';
import { chainDrift, wishedChains } from './drift.ts';
import { chainsIn, compiledIfPossible, digestOf, exemptNames, type OwnChains, portOf } from './ebt-port.ts';
import { CHAINS_CHANGED, look } from './look.ts';
import { ebtPorts } from './ports.ts';
import { type Ebt, type ListedTables, listedTables } from './tables.ts';
import { type EbtPort, renderLoad } from './text.ts';

/** What `look` says, and of each chain what is missing in it, and what is there that is not ours. */
export async function compare(
  ebt: Ebt,
  recordsOf: () => readonly VifRecord[],
  wished: Promise<WishedRules>,
): Promise<ComparedRules> {
  wished.catch(() => undefined);
  const { host, holder } = ebt;
  const tables = once(() => listedTables(ebt));
  const rules = await look(ebt, recordsOf(), tables);
  const asked = await wished;
  const known = ebtPorts(host.state).all();
  const wishes = asked.planned.map((planned) => ({ planned, own: compiledIfPossible(ebt, planned) }));
  const base = currentBase(host, holder);
  const byRule =
    base === undefined || rules.sharedDamage !== undefined
      ? undefined
      : await ruleByRule(ebt, { wishes, known, base, tables: await tables(), all: asked.all });
  if (byRule === undefined) return { rules, drift: otherChains(wishes, known) };
  // Told rule by rule.
  const told = new Set(byRule.map(({ device }) => device));
  const damages = [...rules.damages].filter(([device, damage]) => damage !== CHAINS_CHANGED || !told.has(device));
  const unfollowed = wishes.filter(({ own }) => own instanceof Failure);
  return { rules: { ...rules, damages: new Map(damages) }, drift: [...byRule, ...otherChains(unfollowed, known)] };
}

/** A vif, and what is to be loaded for it; a failure where ebtables cannot follow its rules. */
interface Wish {
  readonly planned: PlannedPort;
  readonly own: OwnChains | Failure;
}

interface Compared {
  readonly wishes: readonly Wish[];
  /** As they were loaded. */
  readonly known: readonly EbtPort[];
  readonly base: BaseRecord;
  readonly tables: ListedTables;
  readonly all: boolean;
}

/** Undefined where it is not known how ebtables writes rules. */
async function ruleByRule(ebt: Ebt, { wishes, known, base, tables, all }: Compared): Promise<RuleDrift[] | undefined> {
  const { host } = ebt;
  const followed = wishes.flatMap(({ planned, own }) =>
    own instanceof Failure ? [] : [{ planned, chains: chainsIn(own), port: portOf(planned, own) }],
  );
  const replaced = new Map(followed.map(({ port }) => [port.device, port]));
  const ports = [...known.filter(({ device }) => !replaced.has(device)), ...replaced.values()];
  const text = renderLoad(
    {
      ports,
      exempt: exemptNames(ebt, base.exempt, ports),
      policy: host.policy,
      neighbours: neighbours(host, ports),
      chains: followed.flatMap(({ chains }) => chains),
      stale: [],
      jumps: () => 1,
    },
    'nft',
  );
  return chainDrift(ebt, {
    wished: wishedChains(text),
    tables,
    ports,
    asked: { all, planned: followed.map(({ planned }) => planned) },
  });
}

/** Of whom other chains are to be than were loaded: what of them is not there any more `look` says. */
function otherChains(wishes: readonly Wish[], known: readonly EbtPort[]): RuleDrift[] {
  const loaded = new Map(known.map(({ device, digest }) => [device, digest]));
  return wishes.flatMap(({ planned, own }): RuleDrift[] => {
    const { device } = planned.port;
    const digest = loaded.get(device);
    if (digest === undefined || (!(own instanceof Failure) && digestOf(own) === digest)) return [];
    const what = own instanceof Failure ? failureLine(own) : 'what the policy says now';
    return [{ device, place: 'chains', change: 'missing', what, text: '', recorded: false }];
  });
}
