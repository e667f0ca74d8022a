import { indexOfGroup } from '../../src/port/guest-group.ts';
import type { XenHost } from './xen-host.ts';

/** Interface groups of ours in what nft or ip prints: rules know a port by its group (src/port/guest-group.ts). */
export function groupsIn(text: string): string[] {
  const numbers = new Set(text.match(/\b\d{10}\b/g));
  return [...numbers].filter((number) => indexOfGroup(Number(number)) !== undefined);
}

/** Groups that rules know and no device has: what is left of ports that have gone. Empty text = nothing. */
export async function strayGroups(host: XenHost): Promise<string> {
  const devices = groupsIn(await host.sh('ip -o link show'));
  const rules = groupsIn(await host.sh('nft list ruleset'));
  return rules
    .filter((group) => !devices.includes(group))
    .map((group) => `group ${group}\n`)
    .join('');
}
