import { NO_IP_CHOICES } from '../filter/plan.ts';
import { DEFAULT_GAPS, POSSIBLE_GAPS, type Reason } from '../filter/reasons.ts';

/** One key of `[defaults]`: its choices, the default first, and what it means. README and errors are made of this. */
export interface PolicyKey {
  readonly choices: readonly [string, ...string[]];
  readonly help: string;
}

export const DEFAULT_KEYS = {
  backend: {
    choices: ['auto', 'nftables', 'ebtables'],
    help: 'which packet filter holds the rules; auto: nftables, or ebtables where nft or its bridge family is missing',
  },
  no_ip: {
    choices: NO_IP_CHOICES,
    help: 'a vif without ip=: its own MAC with any address, nothing at all, or not filtered',
  },
  unmanaged: {
    choices: ['closed', 'open'],
    help: 'a vif* port that no run has configured passes nothing, or everything',
  },
  lock: {
    choices: ['flock', 'lockfile'],
    help: 'flock(2), released by the kernel when a run dies; lockfile only where flock(1) does not exist',
  },
} as const satisfies Record<string, PolicyKey>;

export type DefaultKey = keyof typeof DEFAULT_KEYS;

/** One key of `[defaults]` whose value is a list of words, separated by blanks or commas; `none` is the empty list. */
export interface PolicyListKey {
  readonly words: () => readonly string[];
  readonly initial: readonly string[];
  readonly help: string;
}

export const LIST_KEYS = {
  ebtables_gaps: {
    words: () => POSSIBLE_GAPS,
    initial: DEFAULT_GAPS,
    help: 'drop reasons that ebtables may miss: what it cannot check is left out for these, and closed for all others',
  },
} as const satisfies Record<string, PolicyListKey>;

export type ListKey = keyof typeof LIST_KEYS;

/** The policy as the program uses it. */
export type Policy = { readonly [K in DefaultKey]: (typeof DEFAULT_KEYS)[K]['choices'][number] } & {
  readonly ebtables_gaps: readonly Reason[];
};

/** A packet filter that may hold the rules. */
export type BackendName = Exclude<Policy['backend'], 'auto'>;

/** What a port does that no run has configured. */
export type Unmanaged = Policy['unmanaged'];

export const DEFAULT_POLICY: Policy = {
  backend: 'auto',
  no_ip: 'mac-only',
  unmanaged: 'closed',
  lock: 'flock',
  ebtables_gaps: DEFAULT_GAPS,
};
