import { NO_IP_CHOICES } from '../filter/plan.ts';

/** One key of `[defaults]`: its choices, the default first, and what it means. README and errors are made of this. */
export interface PolicyKey {
  readonly choices: readonly [string, ...string[]];
  readonly help: string;
}

export const DEFAULT_KEYS = {
  backend: { choices: ['nftables'], help: 'which packet filter holds the rules' },
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

/** The policy as the program uses it. */
export type Policy = { readonly [K in DefaultKey]: (typeof DEFAULT_KEYS)[K]['choices'][number] };

export const DEFAULT_POLICY: Policy = { backend: 'nftables', no_ip: 'mac-only', unmanaged: 'closed', lock: 'flock' };
