import { type Field, type FieldMatch, isSwitch, type Outcome, outcomesOf, type Stage } from '../../src/filter/stage.ts';

/** What is certain about a frame at some point of its way; undefined means: it may be anything. */
export interface Known {
  readonly etherType: number | undefined;
  /** The protocol whose header starts at the transport header. */
  readonly protocol: number | undefined;
}

/** One look at a field, and what is certain by then. */
export interface Look {
  readonly stage: string;
  readonly field: Field;
  readonly known: Known;
}

export function gotos(stage: Stage): string[] {
  return outcomesOf(stage).flatMap((outcome) => ('goto' in outcome ? [outcome.goto] : []));
}

const PROTOCOL_FIELDS: readonly Field[] = ['ip protocol', 'ip6 nexthdr', 'ip6 frag nexthdr', 'ip6 upper-layer'];

/**
 * Follows every way a frame can take from `start`. Each field that is looked at comes with what the steps before have
 * made certain.
 */
export function walk(stages: readonly Stage[]): { looks: Look[]; visited: Set<string> } {
  const byName = new Map(stages.map((stage) => [stage.name, stage]));
  const looks: Look[] = [];
  const visited = new Set<string>();
  const done = new Set<string>();

  const follow = (name: string, entry: Known): void => {
    const key = `${name} ${entry.etherType} ${entry.protocol}`;
    if (done.has(key)) return;
    done.add(key);
    visited.add(name);
    const stage = byName.get(name);
    if (stage === undefined) throw new Error(`no stage ${name}`);
    for (const step of stage.steps) {
      if (isSwitch(step)) {
        looks.push({ stage: name, field: step.switch, known: entry });
        for (const { values, so } of step.cases) {
          for (const value of values) leave(so, learn(entry, step.switch, value));
        }
        continue;
      }
      let known = entry;
      for (const match of step.when) {
        if (!('field' in match)) continue;
        looks.push({ stage: name, field: match.field, known });
        known = learnMatch(known, match);
      }
      leave(step.so, known);
    }
    leave(stage.otherwise, entry);
  };
  const leave = (outcome: Outcome, known: Known): void => {
    if ('goto' in outcome) follow(outcome.goto, known);
  };
  follow('start', { etherType: undefined, protocol: undefined });
  return { looks, visited };
}

function learnMatch(known: Known, match: FieldMatch): Known {
  if (!('is' in match)) return known;
  // Hop-by-hop options that end in MLD: their first byte is the next header.
  if (match.field === 'ip6 hopopts') return { ...known, protocol: Number(match.is >> 56n) };
  return typeof match.is === 'number' ? learn(known, match.field, match.is) : known;
}

function learn(known: Known, field: Field, value: number): Known {
  // The type behind a tag: as far as it is looked at by then, the tag is an own one.
  if (field === 'ether type' || field === 'vlan type') return { ...known, etherType: value };
  return PROTOCOL_FIELDS.includes(field) ? { ...known, protocol: value } : known;
}
