import type { LoadedTerms } from '../effects/state.ts';
import type { FilterPort, LeavingPort, NftBackend } from './backend.ts';
import { baseDigest, FLAG_SETS, INGRESS_TABLE, renderBase, TABLE } from './nft-base.ts';
import { LIST_MAP, OWN_SET } from './nft-stages.ts';
import {
  type Elements,
  elementsOf,
  portKey,
  renderExempt,
  renderIngress,
  renderIngressRemoval,
  renderUnmap,
  renderVif,
  renderVifRemoval,
} from './nft-vif.ts';

/** nftables, bridge family. */
export const NFTABLES: NftBackend = {
  name: 'nftables',
  baseDigest: (policy) => baseDigest(policy.unmanaged),
  limits: () => [],
  renderBase({ sentinel, unmanaged, exempt, fresh }) {
    const sets = [...FLAG_SETS, ...Object.values(OWN_SET)];
    return text([
      '# The part that all vifs share.',
      ...(fresh
        ? [`add table ${TABLE}`, `delete table ${TABLE}`, `add table ${INGRESS_TABLE}`, `delete table ${INGRESS_TABLE}`]
        : [
            `flush chain ${TABLE} ${sentinel}`,
            `flush table ${TABLE}`,
            ...sets.map((set) => `flush set ${TABLE} ${set}`),
            // `flush set` of a map is "No such file or directory" (nft 1.0.6).
            ...Object.values(LIST_MAP).map((map) => `flush map ${TABLE} ${map}`),
          ]),
      renderBase(sentinel, unmanaged),
      ...renderExempt(exempt.map(String)),
    ]);
  },
  renderPort({ port, plan, loaded, hadIngress }, sentinel) {
    const key = portKey(port.ifindex, port.name);
    const now = elementsOf(key, plan.terms);
    return text([
      `# ${port.name}: ${describe(port)}${plan.mode}`,
      ...guard(sentinel),
      ...loaded
        .filter((old) => old.ifindex !== port.ifindex)
        .flatMap((old) => renderUnmap(plan.device, String(old.ifindex))),
      ...renderVif(plan, key, without(merged(loaded.map(elementsOfLoaded)), now)),
      ...(port.ingress ? renderIngress(plan.device, port.name) : []),
      ...(hadIngress && !port.ingress ? renderIngressRemoval(plan.device) : []),
    ]);
  },
  renderLeave({ device, loaded, hadIngress }: LeavingPort, sentinel) {
    const keys = [...new Set(loaded.map((one) => String(one.ifindex)))];
    return text([
      `# ${device} leaves`,
      ...guard(sentinel),
      ...renderVifRemoval(device, keys, merged(loaded.map(elementsOfLoaded))),
      ...(hadIngress ? renderIngressRemoval(device) : []),
    ]);
  },
  renderIngress: (device, name) => text(renderIngress(device, name)),
};

/** Fails the whole transaction if the table is not the one our state belongs to. */
function guard(sentinel: string | undefined): string[] {
  return sentinel === undefined ? [] : [`flush chain ${TABLE} ${sentinel}`];
}

function describe(port: FilterPort): string {
  return port.name === port.device ? '' : `${port.device}, `;
}

function elementsOfLoaded(loaded: LoadedTerms): Elements {
  return elementsOf(String(loaded.ifindex), { lists: { in: [], nd: [], out: [] }, ...loaded });
}

function merged(all: readonly Elements[]): Elements {
  const result = new Map<string, string[]>();
  for (const elements of all) {
    for (const [set, keys] of elements) result.set(set, [...new Set([...(result.get(set) ?? []), ...keys])]);
  }
  return result;
}

function without(elements: Elements, kept: Elements): Elements {
  return new Map([...elements].map(([set, keys]) => [set, keys.filter((key) => !kept.get(set)?.includes(key))]));
}

function text(lines: readonly string[]): string {
  return `${lines.join('\n')}\n`;
}
