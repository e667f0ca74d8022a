import type { Host } from '../../host.ts';
import { isInRoutedService } from '../../port/guest-group.ts';
import { INGRESS_TABLE, TABLE } from './base-text.ts';

/** The table of ports that are on no bridge in which it is asked whose addresses come from elsewhere. */
export const CLAIMED_TABLE = 'inet xen-vif-route';

/** Who is on no bridge and not known is nobody's, and left alone. */
export const DEVICE_UNMANAGED = 'open';

/** Their tables, in place of those of bridges. */
const TABLES: Readonly<Record<string, string>> = {
  [TABLE]: 'netdev xen-vif-route',
  [INGRESS_TABLE]: CLAIMED_TABLE,
};

/**
 * The host as the rules of routed vifs see it. The netdev family takes the same stages, sets and elements as the bridge
 * family does, word by word (measured, 6.1 and 6.18); so all that is said to nft of the bridge's tables is said of
 * theirs, and what nft answers is read the same way back.
 */
export function withDeviceTables(host: Host): Host {
  return {
    ...host,
    policy: { ...host.policy, unmanaged: DEVICE_UNMANAGED },
    async run(tool, args, options) {
      if (tool !== 'nft') return host.run(tool, args, options);
      const input = options?.input;
      const result = await host.run(tool, theirArguments(args), {
        ...options,
        ...(input === undefined ? {} : { input: inDeviceTables(input) }),
      });
      return { ...result, stdout: ours(result.stdout), stderr: ours(result.stderr) };
    },
    /** In service is who is up and on no bridge, where others are on one. */
    readDevice(name) {
      const device = host.readDevice(name);
      return device && { ...device, master: isInRoutedService(device) ? device.name : undefined };
    },
  };
}

/** Text for the tables of bridges, as it is said of those of devices. */
export function inDeviceTables(text: string): string {
  return text.replace(/\b(?:bridge|netdev) xen-vif(?![\w-])/g, (table) => TABLES[table] ?? table);
}

function ours(text: string): string {
  const names = Object.entries(TABLES);
  return names.reduce((all, [own, their]) => all.replaceAll(their, own), text);
}

/** `list table bridge xen-vif`, `list ruleset bridge`. */
function theirArguments(args: readonly string[]): readonly string[] {
  const [family = '', name] = (TABLES[TABLE] ?? '').split(' ');
  const [ownFamily, ownName] = TABLE.split(' ');
  return args.map((word, at) => {
    if (word === ownFamily && (args[at + 1] === ownName || args[at - 1] === 'ruleset')) return family;
    return word === ownName && args[at - 1] === ownFamily ? (name ?? word) : word;
  });
}
