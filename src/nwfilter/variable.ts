/** How a rule asks for the value of a variable: `$IP`, `$IP[3]`, `$IP[@2]`. */
export interface Variable {
  readonly name: string;
  /** One of its values, from 0. */
  readonly element?: number | undefined;
  /** All of its values in turn, together with all others of the same iterator. */
  readonly iterator?: number | undefined;
}

/** libvirt's VIR_NWFILTER_MAX_ITERID. */
const MOST_ITERATORS = 1000;

/** @param text behind the `$`; undefined for what is none (libvirt's virNWFilterVarAccessParse) */
export function parseVariable(text: string): Variable | undefined {
  const [, name = '', bracket, at, number] = /^([A-Za-z0-9_]+)(?:(\[)\s*(@?)\s*\+?(\d+)\s*\].*)?$/.exec(text) ?? [];
  if (name === '') return undefined;
  if (bracket === undefined) return { name, iterator: 0 };
  const value = Number(number);
  if (value > 0xffff_ffff) return undefined;
  if (at === '') return { name, element: value };
  return value <= MOST_ITERATORS ? { name, iterator: value } : undefined;
}

export function variableText({ name, element, iterator }: Variable): string {
  if (element !== undefined) return `$${name}[${element}]`;
  return iterator === 0 ? `$${name}` : `$${name}[@${iterator}]`;
}
