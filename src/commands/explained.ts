import { underPolicy } from '../backends/base.ts';
import { type Managed, withHeldRules } from '../backends/choice.ts';
import { asFailure, Failure, failureLine } from '../errors.ts';
import type { JudgedPort } from '../filter/frame-verdict.ts';
import type { LoadedTerms } from '../filter/own-terms.ts';
import type { FilterPlan } from '../filter/plan.ts';
import type { KeyName } from '../policy/keys.ts';
import type { HeldPolicy, Places } from '../policy/policy.ts';
import { resolved } from '../policy/resolve-policy.ts';
import { deviceFinder } from '../state/present-devices.ts';
import type { VifRecord } from '../state/records.ts';
import { portNamed } from '../vif/guest-ports.ts';
import { prepareDry } from '../vif/prepare.ts';
import { seenRules } from '../vif/seen-rules.ts';
import { type HotplugEvent, parseHotplugEvent } from '../xen/hotplug-event.ts';
import type { VifIdentity } from '../xen/vif-identity.ts';
import { identityNamed, recordNamed } from './reapply.ts';

/** A vif as `explain` looks at it. */
export interface ExplainedVif {
  readonly vif: VifIdentity;
  readonly bridge: string | undefined;
  readonly policy: HeldPolicy;
  readonly plan: FilterPlan;
  /** What is loaded, or would be. */
  readonly port: JudgedPort;
  /** Where a key of the policy is written; `default` where nothing says it. */
  readonly placeOf: (key: KeyName) => string;
  /** Where its MAC and `ip=` are from. */
  readonly source: string;
  /** What its admin must know of what is said here. */
  readonly notes: readonly string[];
}

/**
 * A vif that is described, as for a dry run: needs no root, no kernel, no device.
 *
 * @param given `vif=vif1.0 mac=... ip=... bridge=...`, or `type_if=tap INTERFACE=vif1.0-emu ...`
 * @throws Failure `input`
 */
export async function explainedByHand(host: Managed, given: readonly string[]): Promise<ExplainedVif> {
  const command = given.includes('type_if=tap') ? 'add' : 'online';
  const event = parseHotplugEvent(command, given, {});
  if (event === undefined) throw new Failure('internal', `${command} of ${given.join(' ')} means nothing`);
  return ofEvent(host, event, []);
}

/**
 * One that is configured, as it is in the kernel by what our state knows; one that Xen alone knows, as `online` would
 * make it.
 *
 * @throws Failure `missing` for one that nobody knows
 */
export async function explainedNamed(host: Managed, word: string): Promise<ExplainedVif> {
  const name = await portNamed(host, word);
  const record = recordNamed(host, name);
  if (record !== undefined && deviceFinder(host)(record) !== undefined) return ofRecord(host, record);
  const { event } = await identityNamed(host, name);
  return ofEvent(host, event, [`no run of this program has configured ${name}: this is what online would make of it`]);
}

async function ofEvent(host: Managed, event: HotplugEvent, notes: readonly string[]): Promise<ExplainedVif> {
  const { vif, bridge, policy, plan, port } = await prepareDry(host, event);
  const device = host.readDevice(bridge);
  const unseen =
    device === undefined ? [`${bridge} is not here: no STP and no subnet broadcasts of its own are assumed`] : [];
  return {
    ...describedBy(host, vif, bridge),
    bridge,
    policy,
    plan,
    port: judged(plan, plan.terms, {
      ingress: port.ingress && host.rules.dropsAtDevice(device),
      stp: device?.stp === true,
      learned: [],
    }),
    source: event.xenbus?.path ?? 'the command line',
    notes: [...notes, ...unseen, ...unseenBy(host, plan)],
  };
}

async function ofRecord(host: Managed, record: VifRecord): Promise<ExplainedVif> {
  const { vif, policy, plan } = underPolicy(host, record);
  const bridge = host.readDevice(record.bridge);
  const loaded = record.loaded.at(-1) ?? { ifindex: record.ifindex, ...plan.terms };
  const { addresses, notes } = await lookedAt(host, record, loaded);
  return {
    ...describedBy(host, vif, record.bridge),
    bridge: record.bridge,
    policy,
    plan,
    port: judged(plan, loaded, {
      ingress: record.ingress && host.rules.dropsAtDevice(bridge),
      stp: bridge?.stp === true,
      learned: addresses,
    }),
    source: record.xenbus ?? 'what was given by hand',
    notes: [...notes, ...changedSince(record, loaded, plan), ...unseenBy(host, plan)],
  };
}

function judged(
  plan: FilterPlan,
  terms: Pick<LoadedTerms, 'values' | 'flags' | 'program' | 'filter'>,
  more: Pick<JudgedPort, 'ingress' | 'stp' | 'learned'>,
): JudgedPort {
  return {
    ...more,
    terms,
    program: terms.program === undefined ? undefined : plan.program,
    filter: terms.filter === undefined ? undefined : plan.filter,
  };
}

function describedBy(
  host: Pick<Managed, 'policy'>,
  vif: VifIdentity,
  bridge: string | undefined,
): Pick<ExplainedVif, 'vif' | 'placeOf'> {
  const places: Places = { ...host.policy.places, ...resolved(host.policy, { ...vif, bridge }).places };
  return { vif, placeOf: (key) => places[key] ?? 'default' };
}

/** What is loaded is what frames meet; what the policy says by now is another matter. */
function changedSince({ name }: VifRecord, loaded: LoadedTerms, { terms }: FilterPlan): string[] {
  const of = ({ values, flags }: Pick<LoadedTerms, 'values' | 'flags'>): string => JSON.stringify([values, flags]);
  const isOther = (digest: 'program' | 'filter'): boolean =>
    loaded[digest] !== undefined && loaded[digest] !== terms[digest];
  const others = [...(isOther('program') ? ['rules'] : []), ...(isOther('filter') ? ['nwfilter'] : [])];
  if (others.length > 0) {
    const are = others.length > 1 || isOther('program') ? 'are' : 'is';
    return [
      `its ${others.join(' and ')} ${are} of an earlier policy: what is there now is shown; vif-bridge reapply ${name}`,
    ];
  }
  return of(loaded) === of(terms) ? [] : [`the policy has changed since it was loaded: vif-bridge reapply ${name}`];
}

/** What the packet filter of this host cannot see: there the stages say more than it does. */
function unseenBy({ rules }: Managed, plan: FilterPlan): string[] {
  return rules.limits(plan).map(({ text }) => `${rules.name}: ${text}`);
}

/**
 * What the kernel says of it, which only root may ask: addresses that it has learned, else as they were saved last; and
 * whether its rules are as they were loaded, without which nothing that is said of it holds.
 */
async function lookedAt(
  host: Managed,
  record: VifRecord,
  { flags }: LoadedTerms,
): Promise<{ readonly addresses: readonly string[]; readonly notes: readonly string[] }> {
  const learns = flags.includes('learns');
  const own = (all: readonly { readonly ifindex: number; readonly address: string }[]): string[] =>
    all.filter(({ ifindex }) => ifindex === record.ifindex).map(({ address }) => address);
  try {
    const { learned = [], damages } = await seenRules(withHeldRules(host), () => [record]);
    const damage = damages.get(record.device);
    const notes = damage === undefined ? [] : [`damaged: ${damage}; frames do not fare as is said here: ${REPAIR}`];
    return { addresses: learns ? own(learned) : [], notes };
  } catch (error) {
    const why = failureLine(asFailure(error));
    return {
      addresses: learns ? own(host.state.readLearned()) : [],
      notes: [
        `whether its rules are as they were loaded is not known: ${why}`,
        ...(learns ? ['learned addresses as they were saved last'] : []),
      ],
    };
  }
}

const REPAIR = 'vif-bridge repair';
