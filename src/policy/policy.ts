import { Failure } from '../errors.ts';
import type { ChainProgram } from '../rules/chain-program.ts';
import type { FilterVariables } from './filter-keys.ts';
import {
  type HostKeyName,
  isHostKey,
  isVifKey,
  KEY_NAMES,
  KEYS,
  type KeyName,
  type Settings,
  type Values,
  type VifKeyName,
} from './keys.ts';
import type { RuleLists } from './rule-lists.ts';
import type { SectionName } from './section-name.ts';

/** What the policy says of the host. */
export type HostPolicy = Pick<Values, HostKeyName>;

/** What the policy says of one vif: see resolve-policy.ts. */
export type VifPolicy = Pick<Values, VifKeyName>;

/** The same at some moment. */
export interface HeldPolicy extends VifPolicy {
  /** The mode that was until `until`, and is `locked` since. */
  readonly ended?: VifPolicy['mode'];
}

/** Where a file says it: `/etc/xen/vif-bridge.ini:3`. What stands nowhere is the default. */
export type Places = Readonly<Partial<Record<KeyName, string>>>;

/** One section of a policy file, as far as it is about vifs. */
export interface Section {
  readonly of: SectionName;
  readonly settings: Partial<VifPolicy>;
  readonly places: Places;
  /** Keys whose values are added to what weaker sections say. */
  readonly adds: ReadonlySet<KeyName>;
}

/**
 * The policy as it was read. What it says of a vif is only known once the vif is: no key of a vif can be read here, but
 * only behind `resolvePolicy`.
 */
export interface Policy extends HostPolicy {
  /** In the order in which they were read: of two of one name the later one says the last word. */
  readonly sections: readonly Section[];
  /** `[rules NAME]`, by name. */
  readonly ruleLists: RuleLists;
  /** Of the keys of the host. */
  readonly places: Places;
  /** Undefined where no section names a filter: what reads them is not even loaded then. */
  readonly filters?: FilterSource;
  /** Why the files cannot be followed: nothing of what they say is in here, and only who looks may go on. */
  readonly broken?: Failure;
}

/** Whose filter it is. */
export interface FilteredGuest {
  readonly mac: string;
  /** Addresses, or blocks of them. */
  readonly ip: readonly string[];
  readonly ip6: readonly string[];
  /** More IPv4 addresses may become known. */
  readonly learns: boolean;
}

/** Makes programs of libvirt's filters. */
export interface FilterSource {
  /**
   * @param place where the policy names it
   * @throws Failure `input` for a filter that is not there, is refused, or cannot be honoured
   */
  program(name: string, variables: FilterVariables, guest: FilteredGuest, place: string | undefined): ChainProgram;
}

export const DEFAULT_VIF_POLICY: VifPolicy = initialValues(KEY_NAMES.filter(isVifKey));

export const DEFAULT_POLICY: Policy = {
  ...initialValues(KEY_NAMES.filter(isHostKey)),
  sections: [],
  ruleLists: new Map(),
  places: {},
};

function initialValues<K extends KeyName>(keys: readonly K[]): Pick<Values, K> {
  const values: Settings = {};
  for (const key of keys) setInitial(values, key);
  if (!hasAll(values, keys)) throw new Failure('internal', 'a key of the policy has no default');
  return values;
}

function setInitial<K extends KeyName>(values: Settings, key: K): void {
  values[key] = KEYS[key].initial;
}

function hasAll<K extends KeyName>(values: Settings, keys: readonly K[]): values is Settings & Pick<Values, K> {
  return keys.every((key) => values[key] !== undefined);
}
