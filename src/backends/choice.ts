import { holding } from '../effects/lock.ts';
import { asFailure, Failure } from '../errors.ts';
import type { Host } from '../host.ts';
import type { BackendName } from '../policy/keys.ts';
import { bridgedState, routedState } from '../state/kinds.ts';
import type { BaseRecord, EbtTools } from '../state/records.ts';
import type { Backend, Former } from './backend.ts';
import { baseOfThisBoot, isHeld, lockBase } from './base.ts';
import { ebtables } from './ebtables/ebtables.ts';
import { DEFAULT_EBT_TOOLS, workingEbtables } from './ebtables/probe.ts';
import { nftables, routedNftables } from './nftables/nftables.ts';
import { nftObstacle } from './nftables/probe.ts';

/** A host with the backend that its rules go to. Who takes one may touch rules; the type is the proof. */
export interface Managed extends Host {
  readonly rules: Backend;
  /** Of vifs that are on no bridge. They are nobody's to whom `rules` belong. */
  readonly routedRules: Backend;
}

/** A backend, and what it takes to make one. */
type Choice = { readonly name: 'nftables' } | { readonly name: 'ebtables'; readonly tools: EbtTools };

const NFTABLES: Choice = { name: 'nftables' };

/** With the backend as far as it is known without asking the kernel: what the policy names, or what was chosen last. */
export function withKnownRules(host: Host): Managed {
  const base = baseOfThisBoot(host);
  const name = host.policy.backend !== 'auto' ? host.policy.backend : base === undefined ? 'nftables' : holderOf(base);
  return managed(host, choiceOf(name, base?.tools ?? DEFAULT_EBT_TOOLS));
}

/** With the backend that the rules are in, for who only looks: the policy may name another one by now. */
export function withHeldRules(host: Host): Managed {
  const base = baseOfThisBoot(host);
  if (!isHeld(base)) return withKnownRules(host);
  return managed(host, choiceOf(holderOf(base), base.tools ?? DEFAULT_EBT_TOOLS));
}

/**
 * With the backend that the rules go to. `auto` asks the kernel once per boot: nftables if `nft` and its bridge family
 * work, else ebtables; after that the choice is in the state and costs no process.
 *
 * @param kind of whose rules the run is: where those of routed vifs are loaded, nftables is known to work for them
 * @throws Failure `tool` if neither works, or if the one that the policy names does not
 */
export async function withRules(host: Host, kind: 'any' | 'routed' = 'any'): Promise<Managed> {
  // Who is named there is not known.
  if (host.policy.broken !== undefined) return withHeldRules(host);
  const base = baseOfThisBoot(host);
  switch (host.policy.backend) {
    case 'nftables':
      return managed(host, NFTABLES);
    case 'ebtables':
      return managed(host, { name: 'ebtables', tools: base?.tools ?? (await workingEbtables(host)) });
    case 'auto': {
      if (base?.auto === true) return withKnownRules(host);
      if (kind === 'routed' && base === undefined && hasRoutedBase(host)) return managed(host, NFTABLES);
      const nft = await nftObstacle(host);
      const choice = nft === undefined ? NFTABLES : await ebtablesInstead(host, nft);
      if (base !== undefined && holderOf(base) === choice.name) await rememberAuto(host);
      return managed(host, choice);
    }
    default:
      throw new Failure('internal', `no backend ${host.policy.backend satisfies never}`);
  }
}

function hasRoutedBase(host: Host): boolean {
  return baseOfThisBoot({ ...host, state: routedState(host.state) }) !== undefined;
}

function managed(host: Host, choice: Choice): Managed {
  const bridged = { ...host, state: bridgedState(host.state) };
  return {
    ...host,
    rules: backendOf(bridged, choice, () => formerOf(bridged, choice.name)),
    routedRules: routedNftables({ ...host, state: routedState(host.state) }),
  };
}

function backendOf(host: Host, choice: Choice, former: Former): Backend {
  switch (choice.name) {
    case 'nftables':
      return nftables(host, former);
    case 'ebtables':
      return ebtables(host, choice.tools, former);
    default:
      throw new Failure('internal', `no backend ${choice satisfies never}`);
  }
}

/** As the base's record says now; ebtables without its programs cannot be asked to leave. */
function formerOf(host: Host, now: BackendName): Backend | undefined {
  const base = baseOfThisBoot(host);
  if (base === undefined || holderOf(base) === now) return undefined;
  if (holderOf(base) === 'ebtables' && base.tools === undefined) return undefined;
  return backendOf(host, choiceOf(holderOf(base), base.tools ?? DEFAULT_EBT_TOOLS), () => undefined);
}

function choiceOf(name: BackendName, tools: EbtTools): Choice {
  return name === 'nftables' ? NFTABLES : { name, tools };
}

/** The backend that holds a base; the first versions only had one. */
function holderOf(base: BaseRecord): BackendName {
  return base.backend ?? 'nftables';
}

async function ebtablesInstead(host: Host, nft: string): Promise<Choice> {
  try {
    const tools = await workingEbtables(host);
    host.log.say('info', `backend = auto: ebtables (${tools.restore}), because nftables does not work: ${nft}`);
    return { name: 'ebtables', tools };
  } catch (error) {
    const failure = asFailure(error);
    throw new Failure('tool', `no packet filter works: nft: ${nft}; ${failure.message}`, { hint: failure.hint });
  }
}

async function rememberAuto(host: Host): Promise<void> {
  await holding(await lockBase(host), async () => {
    const base = host.state.readBase();
    if (base !== undefined) host.state.writeBase({ ...base, auto: true });
  });
}
