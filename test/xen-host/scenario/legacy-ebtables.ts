import { shortfallsOf } from '../../../src/backends/ebtables/gaps.ts';
import { DEFAULT_GAPS } from '../../../src/filter/reasons.ts';
import { HarnessError } from '../command.ts';
import type { Frame } from '../corpus.ts';
import { chooseEbtables, FORGET_LEGACY_TABLES, type RulesVif, rulesAbout, rulesVifs } from '../ebtables.ts';
import { quoted } from '../guest.ts';
import { leftovers } from '../leftovers.ts';
import { BRIDGE, makeNetwork, scriptPath } from '../network.ts';
import { configure, createA, createV, pingFrom } from '../people.ts';
import type { Record } from '../report.ts';
import type { Scenario } from '../scenario.ts';
import { arrived, leaked, sendCorpus } from '../traffic.ts';
import type { XenHost } from '../xen-host.ts';

// As many as end within the time limit of a run (24 s) under emulation, where one takes 2 s and all take turns.
const GUESTS = 4;
const ROUNDS = 2;
const LIST = 'for table in nat filter; do ebtables -t $table -L; done';

/**
 * Runs one command for each vif, all at once. @returns the first line of each that failed; warnings of others do not
 * count
 */
async function forAll(host: XenHost, vifs: readonly RulesVif[], command: (vif: RulesVif) => string): Promise<string[]> {
  const out = (vif: RulesVif) => `/run/race/${vif.device}`;
  const jobs = vifs.map(
    (vif) => `if ${command(vif)} >${out(vif)} 2>&1; then rm ${out(vif)}; else echo "status $?" >>${out(vif)}; fi &`,
  );
  const text = await host.sh(
    `rm -rf /run/race; mkdir -p /run/race\n${jobs.join('\n')}\nwait\ngrep -H . /run/race/* 2>/dev/null; true`,
    300,
  );
  const lines = text.split('\n').filter(Boolean);
  return vifs.flatMap(({ device }) => lines.find((line) => line.startsWith(`/run/race/${device}:`)) ?? []);
}

/** How often one contestant, run for all vifs at once, says an error or leaves other rules than when it runs alone. */
async function race(
  host: XenHost,
  add: (vif: RulesVif) => string,
  remove: string | ((vif: RulesVif) => string),
): Promise<{ errors: string[]; wrong: string[] }> {
  const vifs = rulesVifs(GUESTS);
  const clear = async () => {
    if (typeof remove === 'string') await host.sh(remove);
    else await forAll(host, vifs, remove);
  };
  const [first] = vifs;
  if (first === undefined) return { errors: [], wrong: [] };
  const trouble = await forAll(host, [first], add);
  const alone = rulesAbout(await host.sh(LIST), first);
  if (trouble.length || alone.split('\n').length < 20)
    throw new HarnessError(`not even one works alone:\n${trouble}\n${alone.slice(0, 1000)}`);
  await clear();
  const errors: string[] = [];
  const wrong: string[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    errors.push(...(await forAll(host, vifs, add)));
    const listing = await host.sh(LIST);
    wrong.push(...vifs.filter((vif) => rulesAbout(listing, vif) !== alone).map((vif) => vif.device));
    await clear();
  }
  return { errors, wrong };
}

/** What ebtables cannot see is exactly what the program says it cannot see, on the kernel's own tables as well. */
async function checkCorpus(host: XenHost, record: Record): Promise<void> {
  const a = await createA(host);
  const v = await createV(host);
  const tables = await host.sh('ebtables-legacy -t nat -L; echo; nft list ruleset');
  record.check(
    'the rules are in the legacy tables, none in nf_tables',
    /^Bridge chain: xen-vif/m.test(tables) && !tables.includes('table bridge'),
    tables,
  );
  const picture = await sendCorpus(host, a, v);
  const reasons = (handling: 'accepted' | 'closed') =>
    new Set<string>(
      shortfallsOf(DEFAULT_GAPS)
        .filter((one) => one.handling === handling)
        .flatMap((one) => one.reasons),
    );
  const accepted = reasons('accepted');
  const unwanted = host.corpus.frames.filter((f) => f.expect === 'drop');
  const through = unwanted.filter((f) => leaked(picture, f));
  const unexpected = through.filter((f) => f.reason === null || !accepted.has(f.reason));
  const list = (frames: readonly Frame[]) => frames.map((f) => `${f.id} ${f.name} (${f.reason})`).join('\n');
  record.note(`${through.length} of ${unwanted.length} unwanted frames arrive: ${through.map((f) => f.id).join(' ')}`);
  record.check('only unwanted frames of the accepted gaps arrive', unexpected.length === 0, list(unexpected));
  const legitimate = host.corpus.frames.filter((f) => f.expect === 'pass');
  const lost = legitimate.filter((f) => !arrived(picture, f, host));
  // By default IPv6 is closed as a whole, and DHCP.
  const closed = (f: Frame) => f.hex.slice(24, 28) === '86dd' || /dhcp/i.test(f.name);
  record.note(
    `${lost.length} of ${legitimate.length} legitimate frames are closed: ${lost.map((f) => f.id).join(' ')}`,
  );
  record.check(
    'of the legitimate frames only IPv6 and DHCP are lost',
    lost.every(closed) && lost.length < legitimate.length / 2,
    list(lost.filter((f) => !closed(f))),
  );
  record.check('the bridge learns no forged MAC', picture.learned.length === 0, picture.learned.join('\n'));
  await configure(host, a, 'A');
  const trouble = await pingFrom(a, host.corpus.hosts.G.ipv4);
  record.check('the guest pings the gateway', trouble === '', trouble);
  await host.sh('xl destroy a; xl destroy v');
  const rest = `${await leftovers(host)}${await host.sh("for t in nat filter; do ebtables-legacy -t $t -L | grep 'vif[0-9]*\\.'; done; true")}`;
  record.check('nothing is left after xl destroy', rest === '', rest);
}

/** Genuine ebtables: the product on it, and the race of the scripts that call ebtables for each rule. */
export const legacyEbtables: Scenario = {
  name: 'legacy-ebtables',
  script: 'product',
  minutes: 12,
  play: async (host, record) => {
    await makeNetwork(host);
    const version = await chooseEbtables(host, 'legacy');
    record.check('ebtables is the legacy variant', version.includes('legacy'), version);
    try {
      await host.sh(`printf '[defaults]\\nbackend = ebtables\\n' >/etc/xen/vif-bridge.ini`);
      await checkCorpus(host, record);

      const program = scriptPath(host, 'product');
      const vifs = rulesVifs(GUESTS);
      const runs = vifs.length * ROUNDS;
      await host.sh(vifs.map(({ device }) => `ip link add ${device} type dummy`).join('\n'));
      const ours = await race(
        host,
        ({ device, mac, ipv4, ipv6 }) =>
          `${program} online vif=${device} bridge=${BRIDGE} mac=${mac} ip=${quoted(`${ipv4} ${ipv6}`)}`,
        ({ device }) => `${program} offline vif=${device}`,
      );
      // Last: it empties the tables that the product believes to be its own.
      const classic = await race(
        host,
        ({ device, mac, ipv4, ipv6 }) => `sh /mnt/run/classic-vif.sh ${device} ${mac} ${ipv4} ${ipv6}`,
        'for table in nat filter; do ebtables -t $table --init-table; done',
      );
      for (const [who, { errors, wrong }] of [
        ['the classic script', classic],
        ['the product', ours],
      ] as const)
        record.note(
          `${vifs.length} vifs at once, ${ROUNDS} rounds, ${who}: ${errors.length} of ${runs} runs with an error, ${wrong.length} of ${runs} vifs with wrong rules${errors[0] ? `; first: ${errors[0]}` : ''}`,
        );
      record.check(
        'the classic script fails when many run at once',
        classic.errors.length > 0 && classic.wrong.length > 0,
        JSON.stringify(classic),
      );
      record.check(
        'the product does not: no error, and every vif has the rules it has alone',
        ours.errors.length + ours.wrong.length === 0,
        [...ours.errors, ...ours.wrong].join('\n'),
      );
      await host.sh(vifs.map(({ device }) => `ip link del ${device}`).join('\n'));
    } finally {
      await host.sh(`${FORGET_LEGACY_TABLES}; true`);
      await chooseEbtables(host, 'nft');
    }
  },
};
