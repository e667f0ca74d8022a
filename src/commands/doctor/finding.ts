import type { BaseChain } from '../../backends/nftables/base-chains.ts';
import type { Files } from '../../effects/look-file.ts';
import type { Host } from '../../host.ts';
import type { HostStatus } from '../status.ts';

/**
 * How bad it is:
 * - `error`: guests are not filtered, or have no network, now or at their next start;
 * - `warning`: it will bite somebody;
 * - `note`: good to know, and no reason to do anything.
 */
export const SEVERITIES = ['error', 'warning', 'note'] as const;
export type Severity = (typeof SEVERITIES)[number];

/** Something on this host that bites, or will. */
export interface Finding {
  /** A word for programs; it never changes its meaning. */
  readonly id: string;
  readonly severity: Severity;
  /** What is so. */
  readonly what: string;
  /** Why it matters. */
  readonly why: string;
  /** The command, or the line, that puts it right. */
  readonly fix: string;
}

/** What may be looked at. Everything is asked for at most once. */
export interface Look extends Files {
  readonly host: Host;
  readonly status: () => Promise<HostStatus>;
  /** The base chains of all packet filters that nf_tables holds. */
  readonly chains: () => Promise<readonly BaseChain[]>;
  /** Where packets of bridges pass iptables: of the whole host, or of some bridges. */
  readonly bridgedToIptables: () => boolean;
}

/** A part of the host, and how it is looked at. @throws Failure if it could not be */
export interface Group {
  /** `the bridges`: what is looked at, for people. */
  readonly name: string;
  readonly look: (look: Look) => Finding[] | Promise<Finding[]>;
}
