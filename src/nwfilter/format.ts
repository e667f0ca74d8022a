import { type Asked, type FilterDocument, type FilterReference, type FilterRule, isReference } from './document.ts';
import { type AttributeKind, filterProtocol } from './protocols.ts';
import { valueText } from './value.ts';
import { variableText } from './variable.ts';

/** A filter in the one canonical form that libvirt prints (nwfilter_conf.c, virNWFilterDefFormat). */
export function formatFilter(filter: FilterDocument): string {
  const priority = filter.priority === 0 ? '' : ` priority='${filter.priority}'`;
  return [
    `<filter name='${filter.name}' chain='${filter.chain}'${priority}>`,
    ...(filter.uuid === undefined ? [] : [`  <uuid>${filter.uuid}</uuid>`]),
    ...filter.entries.flatMap((entry) => (isReference(entry) ? formatReference(entry) : formatRule(entry))),
    '</filter>',
    '',
  ].join('\n');
}

function formatReference({ filter, parameters }: FilterReference): string[] {
  if (parameters.size === 0) return [`  <filterref filter='${filter}'/>`];
  const names = [...parameters.keys()].sort();
  return [
    `  <filterref filter='${filter}'>`,
    ...names.flatMap((name) =>
      (parameters.get(name) ?? []).map((value) => `    <parameter name='${name}' value='${value}'/>`),
    ),
    '  </filterref>',
  ];
}

function formatRule(rule: FilterRule): string[] {
  const state = rule.tracked ? '' : " statematch='false'";
  const head = `<rule action='${rule.action}' direction='${rule.way}' priority='${rule.priority}'${state}`;
  if (rule.protocol === undefined) return [`  ${head}/>`];
  return [`  ${head}>`, ...protocolElements(rule).map((line) => `    ${line}`), '  </rule>'];
}

/** One element for each run of attributes that have the same sign. */
export function protocolElements({ protocol, asks }: Pick<FilterRule, 'protocol' | 'asks'>): string[] {
  if (protocol === undefined) return [];
  const kinds: Readonly<Record<string, AttributeKind>> = filterProtocol(protocol).attributes;
  const runs: { negated: boolean; words: string[] }[] = [];
  for (const [name, asked] of asks) {
    const last = runs.at(-1);
    const word = `${name}='${escaped(askedText(asked, kinds[name]))}'`;
    if (last === undefined || last.negated !== asked.negated) runs.push({ negated: asked.negated, words: [word] });
    else last.words.push(word);
  }
  if (runs.length === 0) return [`<${protocol}/>`];
  return runs.map(({ negated, words }) => `<${[protocol, ...(negated ? ["match='no'"] : []), ...words].join(' ')}/>`);
}

function askedText({ value }: Asked, kind: AttributeKind | undefined): string {
  return value.kind === 'variable' ? variableText(value.variable) : valueText(value, kind?.names);
}

function escaped(text: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;')
    .replaceAll("'", '&apos;');
}
