import { fileURLToPath } from 'node:url';
import { createNamespace, type Namespace } from '../lab/namespace.ts';
import { type GuestVif, guestVif } from '../stress/guest-vif.ts';
import type { Round } from './score.ts';

const SCRIPT = fileURLToPath(new URL('classic-vif.sh', import.meta.url));

/**
 * One round of the situation this project began with: for every vif an instance of the classic script, all at once.
 *
 * No devices are needed: the script only makes rules.
 */
export async function classicRound(vifs: readonly GuestVif[]): Promise<Round> {
  const alone = await aloneRules();
  const ns = await createNamespace('classic script');
  try {
    const started = performance.now();
    const results = await Promise.all(vifs.map((vif) => runScript(ns, vif)));
    const seconds = (performance.now() - started) / 1000;
    const failed = results.filter((result) => result.status !== 0 || result.stderr.trim() !== '');
    const listing = await ns.check(['ebtables', '-L']);
    const wrong = vifs.filter((vif) => rulesOf(listing, vif) !== alone).map((vif) => vif.device);
    return { runs: vifs.length, errors: failed.length, said: failed[0]?.stderr.trim().split('\n')[0], wrong, seconds };
  } finally {
    await ns.remove();
  }
}

/** What the script makes if nothing else runs, in general terms. */
async function aloneRules(): Promise<string> {
  const ns = await createNamespace('classic script alone');
  try {
    const vif = guestVif(1, 0);
    const result = await runScript(ns, vif);
    const rules = rulesOf(await ns.check(['ebtables', '-L']), vif);
    if (result.status !== 0 || rules.split('\n').length < 20) {
      throw new Error(`the classic script does not even work alone: ${result.stderr}`);
    }
    return rules;
  } finally {
    await ns.remove();
  }
}

function runScript(ns: Namespace, vif: GuestVif): ReturnType<Namespace['run']> {
  return ns.run(['sh', SCRIPT, vif.device, vif.mac, vif.ipv4, vif.ipv6], { timeoutMs: 240_000 });
}

/** All lines about one vif, in their order, with general names in place of its own. */
function rulesOf(listing: string, vif: GuestVif): string {
  let chain = '';
  return listing
    .split('\n')
    .flatMap((line) => {
      chain = /^Bridge chain: (\S+),/.exec(line)?.[1] ?? chain;
      const own = chain === `${vif.device}-IN` || chain === `${vif.device}-OUT`;
      return line.trim() !== '' && (own || line.includes(` ${vif.device} `)) ? [`${chain}: ${line.trim()}`] : [];
    })
    .join('\n')
    .replaceAll(vif.device, '<vif>')
    .replaceAll(vif.mac, '<mac>')
    .replaceAll(vif.ipv4, '<ipv4>')
    .replaceAll(vif.ipv6, '<ipv6>');
}
