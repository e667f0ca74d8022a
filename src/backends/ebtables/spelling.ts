import { LISTING_BYTES } from '../../effects/exec.ts';
import { asFailure, failureLine } from '../../errors.ts';
import { parseListing, parsePolicies } from './listing.ts';
import type { Ebt } from './tables.ts';

const LOOK_MS = 12_000;
const CHAIN = 'spelling';
const POLICIES = ['ACCEPT', 'DROP', 'RETURN'];
const LOAD_AND_LIST = '"$1" --noflush && exec "$2" -t nat -L';

/** How one ebtables writes what it was told. */
export interface Spelling {
  /** A rule, whatever it was written like. */
  readonly rule: (text: string) => string;
  /** The policy of a chain; ebtables-nft 1.8.9 takes none from ebtables-restore, and lists RETURN. */
  readonly policy: (wished: string) => string | undefined;
}

/**
 * How ebtables itself writes rules: what is loaded as `-p 0x88cc --arp-opcode 1` is listed in other words, which differ
 * between variants and versions. So it is loaded where nobody sees it, in a network that ends with the process, and
 * listed there.
 *
 * @param rules in our words
 * @returns undefined where that cannot be: then nobody knows
 */
export async function spelling(
  { host, tools }: Pick<Ebt, 'host' | 'tools'>,
  rules: readonly string[],
): Promise<Spelling | undefined> {
  const all = [...new Set(rules.map(optionsOf))];
  const input = [
    '*nat',
    `:${CHAIN} ACCEPT`,
    ...POLICIES.map((policy) => `:${CHAIN}-${policy} ${policy}`),
    ...all.map((one) => `-A ${CHAIN} ${`${one} -j ACCEPT`.trim()}`),
    '',
  ].join('\n');
  const args = ['--net', '--', 'sh', '-c', LOAD_AND_LIST, 'sh', tools.restore, tools.list];
  const unknown = (why: string): void => host.log.say('debug', `how ${tools.list} writes rules is not known: ${why}`);
  try {
    const how = { input, timeoutMs: LOOK_MS, mostBytes: LISTING_BYTES, lockless: true };
    const { status, stdout, stderr } = await host.run('unshare', args, how);
    const listed = parseListing(stdout).get(CHAIN) ?? [];
    if (status !== 0 || listed.length !== all.length) {
      unknown(stderr.trim() || `${listed.length} of ${all.length}`);
      return undefined;
    }
    const policies = parsePolicies(stdout);
    const spelt = new Map(all.map((one, at) => [one, optionsOf(listed[at]?.text ?? '')]));
    return {
      rule: (text) => ruleOf(spelt.get(optionsOf(text)) ?? optionsOf(text), targetOf(text)),
      policy: (wished) => policies.get(`${CHAIN}-${wished}`),
    };
  } catch (error) {
    unknown(failureLine(asFailure(error)));
    return undefined;
  }
}

/** As it is listed, with one blank where ebtables may have none: `--ip-igmp-type 22:23-j DROP` (nft, 1.8.9). */
export function listedRule(text: string): string {
  return ruleOf(optionsOf(text), targetOf(text));
}

function ruleOf(options: string, target: string): string {
  return `${options}${target === '' ? '' : ` -j ${target}`}`.trim();
}

/** What stands in front of the target of a rule. */
function optionsOf(rule: string): string {
  return rule.replace(/ ?-j \S+$/, '');
}

/** Its target; empty for a rule that only counts or logs. */
export function targetOf(rule: string): string {
  return /-j (\S+)$/.exec(rule)?.[1] ?? '';
}

/** What it asks for: the names of its options. */
export function asksOf(rule: string): string {
  return [...optionsOf(rule).matchAll(/(?:^| )(--?[a-z][\w-]*)/g)].map(([, word]) => word).join();
}
