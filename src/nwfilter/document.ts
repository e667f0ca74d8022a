import { didYouMean } from '../did-you-mean.ts';
import { shown } from '../errors.ts';
import { FILTER_NAME, VARIABLE_NAME, VARIABLE_VALUE } from './names.ts';
import type { FilterProblem } from './problem.ts';
import { type AttributeKind, filterProtocol, isProtocol, PROTOCOL_NAMES, type ProtocolName } from './protocols.ts';
import type { Value } from './value.ts';
import { parseVariable, type Variable } from './variable.ts';
import { readXml, type XmlElement } from './xml.ts';

export const ACTIONS = ['drop', 'accept', 'reject', 'return', 'continue'] as const;
export type Action = (typeof ACTIONS)[number];
/** `in`: to the guest; `out`: from it. */
export const WAYS = ['in', 'out', 'inout'] as const;
export type Way = (typeof WAYS)[number];

/** What a rule asks of one field. */
export interface Asked {
  readonly value: Value | { readonly kind: 'variable'; readonly variable: Variable };
  /** `match='no'` */
  readonly negated: boolean;
}

export interface FilterRule {
  readonly action: Action;
  readonly way: Way;
  readonly priority: number;
  /** False for `statematch='false'`. */
  readonly tracked: boolean;
  /** Undefined: all that comes to its chain. */
  readonly protocol: ProtocolName | undefined;
  /** By the name of the attribute, in the order of the protocol's table. */
  readonly asks: ReadonlyMap<string, Asked>;
  readonly at: { readonly file: string; readonly line: number };
}

/** `<filterref>`: what stands in another filter stands here. */
export interface FilterReference {
  readonly filter: string;
  readonly parameters: ReadonlyMap<string, readonly string[]>;
  readonly at: { readonly file: string; readonly line: number };
}

/** One filter, as its file says it (libvirt's virNWFilterDef). */
export interface FilterDocument {
  readonly name: string;
  readonly chain: string;
  readonly priority: number;
  readonly uuid: string | undefined;
  readonly entries: readonly (FilterRule | FilterReference)[];
  /** What libvirt passes over in silence. */
  readonly notes: readonly FilterProblem[];
}

export function isReference(entry: FilterRule | FilterReference): entry is FilterReference {
  return 'filter' in entry;
}

/** How names of chains begin, and their priority where a filter has none. For stp libvirt's table has none: 0. */
const CHAINS = { mac: -800, vlan: -750, stp: 0, arp: -500, rarp: -400, ipv4: -700, ipv6: -600 } as const;
export type ChainKind = keyof typeof CHAINS;
const isChainKind = (name: string): name is ChainKind => Object.hasOwn(CHAINS, name);
const CHAIN_KINDS: readonly ChainKind[] = Object.keys(CHAINS).filter(isChainKind);

/** Which frames come to a chain; undefined for `root`. */
export function chainKind(name: string): ChainKind | undefined {
  return CHAIN_KINDS.find((kind) => name.startsWith(kind));
}

const DEFAULT_PRIORITY = 500;
const MOST_PRIORITY = 1000;

/**
 * Reads a filter. A value that is not possible refuses the whole of it (libvirt 9.0); everything that is wrong is said
 * at once.
 */
export function parseFilter(
  text: string,
  file: string,
): { readonly filter: FilterDocument } | { readonly problems: readonly FilterProblem[] } {
  const read = readXml(text, file);
  if ('problem' in read) return { problems: [read.problem] };
  const reader = new Reader(file);
  const filter = reader.filter(read.root);
  return reader.problems.length === 0 ? { filter } : { problems: reader.problems };
}

class Reader {
  readonly problems: FilterProblem[] = [];
  readonly notes: FilterProblem[] = [];
  readonly #file: string;

  constructor(file: string) {
    this.#file = file;
  }

  filter(root: XmlElement): FilterDocument {
    if (root.name !== 'filter')
      this.#wrong(root, undefined, `this is a <${root.name}>`, 'the file begins with <filter>');
    const name = root.attributes.get('name')?.value ?? '';
    if (name === '') this.#wrong(root, 'name', 'it has no name', "write <filter name='web'>");
    else if (!FILTER_NAME.test(name)) {
      this.#wrong(root, 'name', `${shown(name)} is no name`, 'up to 100 letters, digits, and _ . : + -');
    }
    const chain = root.attributes.get('chain')?.value || 'root';
    this.#chain(root, chain);
    const priority = this.#chainPriority(root, chain);
    const entries = root.children.flatMap((child): (FilterRule | FilterReference)[] => {
      if (child.name === 'rule') return [this.#rule(child)];
      if (child.name === 'filterref') return [this.#reference(child)];
      if (child.name !== 'uuid' && child.name !== 'description') {
        this.#note(child, undefined, 'it is passed over: no filter has such an element', 'rule, filterref or uuid');
      }
      return [];
    });
    return { name, chain, priority, uuid: this.#uuid(root), entries, notes: this.notes };
  }

  #wrong(element: XmlElement, attribute: string | undefined, message: string, hint: string): void {
    this.problems.push(this.#finding(element, attribute, message, hint));
  }

  #note(element: XmlElement, attribute: string | undefined, message: string, hint: string): void {
    this.notes.push(this.#finding(element, attribute, message, hint));
  }

  #finding(element: XmlElement, attribute: string | undefined, message: string, hint: string): FilterProblem {
    const line = (attribute === undefined ? undefined : element.attributes.get(attribute)?.line) ?? element.line;
    return { file: this.#file, line, element: element.name, attribute, message, hint };
  }

  #chain(root: XmlElement, chain: string): void {
    const hint = `root, or a name that begins with one of ${CHAIN_KINDS.join(' ')}, at most 12 of A-Z a-z 0-9 _ . : -`;
    const form = /^[A-Za-z0-9_.:-]{1,12}$/.test(chain);
    if (!form || (chain !== 'root' && chainKind(chain) === undefined)) {
      this.#wrong(root, 'chain', `there is no chain ${shown(chain)}`, hint);
    }
  }

  #chainPriority(root: XmlElement, chain: string): number {
    const written = root.attributes.get('priority')?.value ?? '';
    const kind = chainKind(chain);
    if (written === '') return kind === undefined ? 0 : CHAINS[kind];
    const priority = signed(written);
    if (priority === undefined || Math.abs(priority) > MOST_PRIORITY) {
      this.#wrong(root, 'priority', `${shown(written)} is no priority of a chain`, '-1000 to 1000');
    }
    // libvirt reads it only beside a chain.
    return root.attributes.get('chain')?.value ? (priority ?? 0) : 0;
  }

  #uuid(root: XmlElement): string | undefined {
    const element = root.children.find((child) => child.name === 'uuid');
    const text = element?.text.trim() ?? '';
    if (element === undefined || text === '') return undefined;
    const digits = text.replaceAll('-', '').toLowerCase();
    if (!/^[0-9a-f]{32}$/.test(digits)) {
      this.#wrong(element, undefined, `${shown(text)} is no UUID`, 'uuidgen makes one; it may be left out');
    }
    return digits.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
  }

  #choice<T extends string>(element: XmlElement, name: string, known: readonly [T, ...T[]] | readonly T[]): T {
    const written = element.attributes.get(name)?.value;
    const found = known.find((one) => one === written);
    if (found !== undefined) return found;
    const hint = `one of ${known.join(' ')}`;
    if (written === undefined) this.#wrong(element, name, 'it is missing', hint);
    else this.#wrong(element, name, `${shown(written)} is not possible`, meant(didYouMean(written, known)) + hint);
    return known[0] as T;
  }

  #rule(element: XmlElement): FilterRule {
    const action = this.#choice(element, 'action', ACTIONS);
    const way = this.#choice(element, 'direction', WAYS);
    const written = element.attributes.get('priority')?.value;
    const parsed = written === undefined ? undefined : signed(written);
    const fits = parsed !== undefined && Math.abs(parsed) <= MOST_PRIORITY;
    if (written !== undefined && !fits) {
      this.#note(element, 'priority', `${shown(written)} counts as ${DEFAULT_PRIORITY}`, 'write -1000 to 1000');
    }
    const state = element.attributes.get('statematch')?.value.toLowerCase();
    this.#unknown(element, ['action', 'direction', 'priority', 'statematch']);
    const { protocol, asks } = this.#protocol(element);
    return {
      action,
      way,
      priority: fits ? parsed : DEFAULT_PRIORITY,
      tracked: state !== '0' && state !== 'false',
      protocol,
      asks,
      at: { file: this.#file, line: element.line },
    };
  }

  /** Elements of one name are one; of another name than the first they are passed over. */
  #protocol(rule: XmlElement): Pick<FilterRule, 'protocol' | 'asks'> {
    const first = rule.children.find(({ name }) => isProtocol(name));
    for (const child of rule.children.filter(({ name }) => name !== first?.name)) {
      const known = meant(didYouMean(child.name, PROTOCOL_NAMES));
      // What is no protocol would leave a rule that matches everything.
      if (first === undefined)
        this.#wrong(child, undefined, 'there is no such protocol', `${known}${PROTOCOL_NAMES.join(' ')}`);
      else this.#note(child, undefined, 'it is passed over', `${known}a rule has one protocol, here ${first.name}`);
    }
    if (first === undefined || !isProtocol(first.name)) return { protocol: undefined, asks: new Map() };
    const protocol = first.name;
    const kinds: Readonly<Record<string, AttributeKind>> = filterProtocol(protocol).attributes;
    const asked = new Map<string, Asked>();
    for (const element of rule.children.filter(({ name }) => name === protocol)) {
      const negated = element.attributes.get('match')?.value === 'no';
      this.#unknown(element, [...Object.keys(kinds), 'match']);
      for (const [name, { kind }] of Object.entries(kinds)) {
        const text = element.attributes.get(name)?.value;
        if (text === undefined) continue;
        const value = this.#value(element, name, kind, text);
        if (value !== undefined) asked.set(name, { value, negated });
      }
    }
    this.#portsNeedProtocol(first, asked);
    const asks = new Map<string, Asked>();
    for (const [name, { negatedLike }] of Object.entries(kinds)) {
      const one = asked.get(name);
      if (one === undefined) continue;
      const negated = negatedLike === undefined ? one.negated : (asked.get(negatedLike)?.negated ?? false);
      asks.set(name, { ...one, negated });
    }
    return { protocol, asks };
  }

  #value(element: XmlElement, name: string, kind: AttributeKind['kind'], text: string): Asked['value'] | undefined {
    if (text.startsWith('$')) {
      const variable = parseVariable(text.slice(1));
      if (variable !== undefined) return { kind: 'variable', variable };
      this.#wrong(element, name, `${shown(text)} is no variable`, 'write $NAME, $NAME[3] or $NAME[@2]');
      return undefined;
    }
    const read = kind.read(text);
    if (!('wrong' in read)) return read;
    this.#wrong(element, name, `${shown(text)} is not possible`, meant(read.wrong) + kind.possible);
    return undefined;
  }

  #portsNeedProtocol(element: XmlElement, asked: ReadonlyMap<string, Asked>): void {
    if (element.name !== 'ip' && element.name !== 'ipv6') return;
    const port = [...asked.keys()].find((name) => name.includes('port'));
    const protocol = asked.get('protocol')?.value;
    const withPorts = protocol?.kind === 'number' && [6, 17, 33, 132].includes(protocol.value);
    if (port === undefined || withPorts) return;
    this.#wrong(element, port, 'ports need a protocol that has them', "protocol='tcp', udp, sctp or 33 (dccp)");
  }

  #reference(element: XmlElement): FilterReference {
    const filter = element.attributes.get('filter')?.value ?? '';
    if (!FILTER_NAME.test(filter)) {
      const what = filter === '' ? 'it names no filter' : `${shown(filter)} is no name of a filter`;
      this.#wrong(element, 'filter', what, "write <filterref filter='clean-traffic'/>");
    }
    const parameters = new Map<string, string[]>();
    for (const child of element.children) {
      const name = child.attributes.get('name')?.value;
      const value = child.attributes.get('value')?.value;
      if (child.name !== 'parameter') this.#note(child, undefined, 'it is passed over', 'write <parameter>');
      else if (name === undefined || !VARIABLE_NAME.test(name))
        this.#note(child, 'name', 'it is passed over', NAME_HINT);
      else if (value === undefined || !VARIABLE_VALUE.test(value)) {
        this.#note(child, 'value', 'it is passed over', VALUE_HINT);
      } else parameters.set(name, [...(parameters.get(name) ?? []), value]);
    }
    return { filter, parameters, at: { file: this.#file, line: element.line } };
  }

  #unknown(element: XmlElement, known: readonly string[]): void {
    for (const name of element.attributes.keys()) {
      if (known.includes(name)) continue;
      this.#note(
        element,
        name,
        'it is passed over: there is no such attribute',
        meant(didYouMean(name, known)) + known.join(' '),
      );
    }
  }
}

const NAME_HINT = 'names of variables have letters, digits and _';
const VALUE_HINT = 'values have letters, digits, _ . and :, so no blocks of addresses';

function meant(word: string | undefined): string {
  return word === undefined ? '' : `did you mean ${word}? `;
}

function signed(text: string): number | undefined {
  return /^\s*[+-]?\d{1,9}$/.test(text) ? Number(text) : undefined;
}
