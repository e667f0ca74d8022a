import { Failure } from '../../errors.ts';
import { digestsOfTerms } from '../../filter/own-terms.ts';
import type { FilterPlan } from '../../filter/plan.ts';
import type { Host } from '../../host.ts';
import { rejects } from '../../rules/chain-program.ts';
import type { RulePlace } from '../../rules/rule.ts';
import type { PlannedPort } from '../backend.ts';
import { type PortPlace, TABLE } from './base-text.ts';
import { type ListedSets, partsOf, readListing, setsOf } from './counters.ts';
import { FLOW_SETS } from './flow-sets.ts';
import type { Listed } from './listed.ts';
import { keyOf } from './own.ts';
import { shapeOfCommands } from './program-shape.ts';
import { programRemoval } from './rule-program.ts';
import { TRACKED_SETS } from './tracked-sets.ts';

/**
 * The programs of rules that are in the kernel. One stays as long as some guest goes to it: the kernel itself counts
 * them, and refuses to take away what is in use. That one is there is noted, so that who has the same rules does not
 * make them anew, which would begin their counters at zero; if the note is wrong the load fails, and all is made anew.
 */
export interface Programs {
  /**
   * Asks the kernel whether it can answer for such a port, if some rule wants that.
   *
   * @throws Failure `input` if it cannot: a guest that is told nothing where its admin wrote `reject` has other rules
   */
  mayReject(planned: readonly PlannedPort[], place: PortPlace): Promise<void>;
  /** Which of these are in the table of this sentinel. */
  known(sentinel: string, digests: Iterable<string>): ReadonlySet<string>;
  /** These have just been loaded. What nothing is listed of is not noted, and so is made anew next time. */
  note(sentinel: string, digests: Iterable<string>, now: Listed | undefined): void;
  /**
   * The same of those that are new, without a listing: that would fetch each set without a name that the base has, and
   * cost a run more than all else that it does (measured: 65 of 134 ms, with 200 programs). Until somebody lists the
   * rules, what they are told by is how their rules end.
   *
   * @param commandsOf what has loaded one
   */
  noteNew(sentinel: string, digests: Iterable<string>, commandsOf: (digest: string) => readonly string[]): void;
  /**
   * Those that somebody has changed, emptied or taken away since. What is listed of one for the first time is noted.
   */
  changed(sentinel: string, now: Listed): ReadonlySet<string>;
  /**
   * Those that a table has besides: what fills it anew empties their chains, and behind the end of one stands the
   * policy of the hook, which accepts.
   */
  others(sentinel: string, digests: Iterable<string>): readonly string[];
  /** They are no more what they were. */
  unnote(sentinel: string, digests: Iterable<string>): void;
  /** Takes those away that nobody uses any more. */
  collect(sentinel: string, digests: Iterable<string>): Promise<void>;
  /**
   * Ends the conversations of ports whose rules, or filter, have changed: each next packet is asked again. Each set is
   * a run of nft, so nothing is listed where nobody has changed.
   */
  forget(changed: { readonly rules: readonly number[]; readonly filter: readonly number[] }): Promise<void>;
}

/** In front of what is known of a program that was never listed. */
const SHAPE = 'shape.';

export function programs({ state, run, log }: Pick<Host, 'state' | 'run' | 'log'>): Programs {
  /** With what was listed of it, or its shape: `program-DIGEST-LISTED-SENTINEL`. */
  const endOf = (sentinel: string): string => `-${sentinel.replaceAll('/', '-')}`;
  /** @param wanted all, unless told: each is a file that is read */
  const noted = (sentinel: string, wanted?: ReadonlySet<string>): { note: string; digest: string; listing: string }[] =>
    state
      .notes()
      .filter((note) => note.startsWith('program-') && note.endsWith(endOf(sentinel)))
      .flatMap((note) => {
        const [, digest = '', listing = ''] = note.split('-');
        return (wanted?.has(digest) ?? true) && state.isNoted(note) ? [{ note, digest, listing }] : [];
      });
  const add = (sentinel: string, digest: string, listing: string): void =>
    state.note(`program-${digest}-${listing}${endOf(sentinel)}`);
  const unnote = (sentinel: string, digests: Iterable<string>): void => {
    const gone = new Set(digests);
    if (gone.size === 0) return;
    for (const { note } of noted(sentinel, gone)) state.forgetNote(note);
  };
  const known = (sentinel: string, digests: Iterable<string>): ReadonlySet<string> => {
    const wanted = new Set(digests);
    if (wanted.size === 0) return wanted;
    return new Set(noted(sentinel, wanted).map(({ digest }) => digest));
  };
  const note = (sentinel: string, digests: Iterable<string>, now: Listed | undefined): void => {
    unnote(sentinel, digests);
    for (const digest of new Set(digests)) {
      const listing = now?.programs.get(digest)?.listing;
      if (listing !== undefined) add(sentinel, digest, listing);
    }
  };
  return {
    async mayReject(planned, place) {
      const at = planned.flatMap(({ plan }) => rejectingPlace(plan) ?? [])[0];
      if (at === undefined) return;
      const { status } = await run('nft', ['-c', '-f', '-'], { input: rejectProbe(place) });
      if (status === 0) return;
      throw new Failure(
        'input',
        `out reject: this kernel cannot answer ${place === 'bridge' ? 'for a port of a bridge' : 'at a device'}`,
        {
          at: `${at.file}:${at.line}`,
          hint: `write out drop, or have a kernel with ${place === 'bridge' ? 'nft_reject_bridge' : 'nft_reject_netdev'}`,
        },
      );
    },
    known,
    note,
    noteNew(sentinel, digests, commandsOf) {
      const all = new Set(digests);
      const there = known(sentinel, all);
      for (const digest of all) {
        if (!there.has(digest)) add(sentinel, digest, `${SHAPE}${shapeOfCommands(commandsOf(digest))}`);
      }
    },
    changed(sentinel, now) {
      const changed = noted(sentinel).filter(({ note: was, digest, listing }) => {
        const there = now.programs.get(digest);
        if (there === undefined || !listing.startsWith(SHAPE)) return there?.listing !== listing;
        if (`${SHAPE}${there.shape}` !== listing) return true;
        add(sentinel, digest, there.listing);
        state.forgetNote(was);
        return false;
      });
      return new Set(changed.map(({ digest }) => digest));
    },
    others(sentinel, digests) {
      const wanted = new Set(digests);
      return noted(sentinel).flatMap(({ digest }) => (wanted.has(digest) ? [] : [digest]));
    },
    unnote,
    async collect(sentinel, digests) {
      for (const digest of new Set(digests)) {
        // Where it fails another guest uses it.
        const { status } = await run('nft', ['-f', '-'], { input: programRemoval(digest) });
        if (status === 0) unnote(sentinel, [digest]);
      }
    },
    async forget({ rules, filter }) {
      const sets = [
        ...(rules.length === 0 ? [] : FLOW_SETS.map(({ name }) => ({ name, ports: rules }))),
        ...(filter.length === 0 ? [] : TRACKED_SETS.map(({ name }) => ({ name, ports: filter }))),
      ];
      for (const { name, ports } of sets) {
        const keys = new Set<string>(ports.map(keyOf));
        const listed = await run('nft', ['-j', 'list', 'set', ...TABLE.split(' '), name], { mostBytes: FLOW_BYTES });
        const elements = listed.status === 0 ? elementsOf(setsOf(readListing(listed.stdout)), keys) : [];
        if (elements.length === 0) continue;
        const list = `element ${TABLE} ${name} { ${elements.join(', ')} }\n`;
        // What has ended meanwhile is made, and so the deletion cannot fail for it.
        const result = await run('nft', ['-f', '-'], { input: `add ${list}delete ${list}` });
        if (result.status !== 0)
          log.say('warning', `conversations that the former rules allowed go on: ${result.stderr.trim()}`);
      }
    },
  };
}

/** Where a rule of it is written that tells the guest of a packet that is dropped. */
function rejectingPlace({ program, filter }: FilterPlan): RulePlace | undefined {
  const ofRules = program?.out.find(({ verdict }) => verdict === 'reject')?.at;
  if (ofRules !== undefined) return ofRules;
  return filter !== undefined && rejects(filter)
    ? filter.listing.find(({ action, layer }) => layer === 4 && action === 'reject')?.at
    : undefined;
}

/** Only checked, never loaded: what guests have where they send. Nowhere else any kernel takes `reject`. */
function rejectProbe(place: PortPlace): string {
  const [family, hook] = place === 'bridge' ? ['bridge', 'prerouting'] : ['netdev', 'ingress device "lo"'];
  return `add table ${family} xen-vif-probe
add chain ${family} xen-vif-probe program
add rule ${family} xen-vif-probe program meta l4proto tcp reject with tcp reset
add rule ${family} xen-vif-probe program reject with icmpx type admin-prohibited
add chain ${family} xen-vif-probe before { type filter hook ${hook} priority 0; }
add rule ${family} xen-vif-probe before goto program
`;
}

/** A million conversations. */
const FLOW_BYTES = 512 * 2 ** 20;

/** The programs of ports. */
export function digestsOf(planned: readonly PlannedPort[]): string[] {
  return planned.flatMap(({ plan }) => digestsOfTerms(plan.terms));
}

/** What earlier runs may have loaded of ports, and is not wanted any more. */
export function formerDigests(planned: readonly PlannedPort[]): string[] {
  return planned.flatMap(({ plan, loaded }) =>
    loaded.flatMap((terms) => digestsOfTerms(terms).filter((digest) => !digestsOfTerms(plan.terms).includes(digest))),
  );
}

function elementsOf(sets: ListedSets, keys: ReadonlySet<string>): string[] {
  return [...sets.values()].flat().flatMap((element) => {
    const [port, ...rest] = partsOf(element).parts;
    // Large numbers are bits, and written as such; nft takes small ones either way.
    return keys.has(String(port)) ? [[port, ...rest.map(written)].join(' . ')] : [];
  });
}

function written(part: unknown): string {
  return typeof part === 'number' && part > 0xffff ? `0x${part.toString(16)}` : String(part);
}
