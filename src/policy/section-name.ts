import { didYouMean } from '../did-you-mean.ts';
import { asFailure, Failure, shown } from '../errors.ts';
import { type InterfaceName, parseInterfaceName } from '../net/interface-name.ts';
import { type MacAddress, parseMac } from '../net/mac-address.ts';
import { EMULATED } from '../net/vif-name.ts';
import type { VifIdentity } from '../xen/vif-identity.ts';
import { SECTION_KINDS, type SectionKind } from './keys.ts';
import { LIST_KINDS, type ListKind } from './rule-lists.ts';

/** Whom a section is about, as its head says it: `[defaults]`, `[bridge xenbr0]`, `[guest web*]`. */
export type SectionName =
  | { readonly kind: 'defaults' }
  | { readonly kind: 'bridge'; readonly bridge: InterfaceName }
  /** Of one name, or of all that begin so. */
  | { readonly kind: 'guest'; readonly name: string; readonly prefix: boolean }
  | { readonly kind: 'mac'; readonly mac: MacAddress }
  | { readonly kind: 'vif'; readonly vif: InterfaceName };

/** The vif that a policy is asked about. */
export type Subject = Pick<VifIdentity, 'device' | 'name' | 'mac' | 'guest'> & { readonly bridge: string | undefined };

/** How each kind of section is written. */
export const FORMS: Readonly<Record<SectionKind, string>> = {
  defaults: '[defaults]',
  bridge: '[bridge NAME]',
  guest: '[guest NAME]',
  mac: '[mac 00:16:3e:...]',
  vif: '[vif NAME]',
};

/** How sections of bare lines are written: see rule-lists.ts. */
const LIST_FORMS: Readonly<Record<ListKind, string>> = { rules: '[rules NAME]', addresses: '[addresses NAME]' };

export const SECTION_FORMS = [...Object.values(FORMS), ...Object.values(LIST_FORMS)].join(' ');

/** What is wrong with the head of a section. */
export interface WrongSection {
  readonly message: string;
  readonly meant?: string | undefined;
  readonly hint: string;
  /** What stands below it is read as if it was one of these: what is wrong with that is said in the same run. */
  readonly kind: SectionKind | ListKind | undefined;
}

/** Reads what stands between the brackets. */
export function readSectionName(text: string): { readonly value: SectionName } | { readonly wrong: WrongSection } {
  const [, written = '', argument = ''] = /^(\S*)(?:\s+(.*))?$/s.exec(text) ?? [];
  const kind = SECTION_KINDS.find((one) => one === written);
  if (kind === undefined) {
    const forms = { ...FORMS, ...LIST_FORMS };
    const meant = didYouMean(written, [...SECTION_KINDS, ...LIST_KINDS]);
    const message = `unknown section ${shown(text)}`;
    return { wrong: { message, meant: meant && forms[meant], hint: `known: ${SECTION_FORMS}`, kind: meant } };
  }
  if ((argument === '') !== (kind === 'defaults')) {
    const what = kind === 'defaults' ? 'takes no name' : 'needs a name';
    return { wrong: { message: `[${kind}] ${what}`, hint: `write ${FORMS[kind]}`, kind } };
  }
  try {
    return { value: named(kind, argument) };
  } catch (thrown) {
    const { message, hint } = asFailure(thrown);
    return { wrong: { message: `[${kind}]: ${message}`, hint: hint ?? `write ${FORMS[kind]}`, kind } };
  }
}

/** @throws Failure for a name that cannot be one */
function named(kind: SectionKind, argument: string): SectionName {
  const at = 'the policy file';
  switch (kind) {
    case 'defaults':
      return { kind };
    case 'bridge':
      return { kind, bridge: parseInterfaceName(argument, at) };
    case 'guest':
      return guests(argument);
    case 'mac':
      return { kind, mac: parseMac(argument, at) };
    case 'vif':
      return { kind, vif: parseInterfaceName(argument, at) };
    default:
      return kind satisfies never;
  }
}

/** A name as xl takes it is nearly any text; a star ends the beginning of several. */
function guests(argument: string): SectionName {
  const star = argument.indexOf('*');
  if (star >= 0 && star < argument.length - 1) {
    throw new Failure('input', `${shown(argument)} has a star that is not at its end`, {
      hint: 'write the whole name, or its beginning and a star: [guest web*]',
    });
  }
  return star < 0
    ? { kind: 'guest', name: argument, prefix: false }
    : { kind: 'guest', name: argument.slice(0, star), prefix: true };
}

/** As the file would say it; two sections of the same name are one. */
export function sectionText(name: SectionName): string {
  switch (name.kind) {
    case 'defaults':
      return '[defaults]';
    case 'bridge':
      return `[bridge ${name.bridge}]`;
    case 'guest':
      return `[guest ${name.name}${name.prefix ? '*' : ''}]`;
    case 'mac':
      return `[mac ${name.mac}]`;
    case 'vif':
      return `[vif ${name.vif}]`;
    default:
      return name satisfies never;
  }
}

/** Whether a section says something of this vif. Both interfaces of an emulated NIC are one vif. */
export function isAbout(name: SectionName, subject: Subject): boolean {
  switch (name.kind) {
    case 'defaults':
      return true;
    case 'bridge':
      return name.bridge === subject.bridge;
    case 'guest':
      return (
        subject.guest !== undefined && (name.prefix ? subject.guest.startsWith(name.name) : name.name === subject.guest)
      );
    case 'mac':
      return name.mac === subject.mac;
    case 'vif':
      return [subject.device, subject.name].some((own) => own === name.vif || own === `${name.vif}${EMULATED}`);
    default:
      return name satisfies never;
  }
}

/**
 * Which of two sections that are about the same vif says the last word: the later kind; of guests the whole name, then
 * the longer beginning.
 *
 * @returns as the callback of `sort`: the stronger one comes later
 */
export function byStrength(a: SectionName, b: SectionName): number {
  return SECTION_KINDS.indexOf(a.kind) - SECTION_KINDS.indexOf(b.kind) || closeness(a) - closeness(b);
}

function closeness(name: SectionName): number {
  if (name.kind !== 'guest') return 0;
  return name.prefix ? name.name.length : Number.POSITIVE_INFINITY;
}
