/**
 * "Where do I add ..." of docs/design.md is true: each answer is played on a copy of the source. The files that are
 * edited are those that the page names; the compiler is content with all of them, and misses those that it is said to
 * miss; and what the page says will follow by itself does.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { behind, type Copy, changedCopy, type Edits, faults, ROOT } from './changed-copy.ts';

interface Row {
  readonly files: readonly string[];
  readonly missedBy: string;
}

/** The rows of each question, by its heading. */
const ANSWERS: ReadonlyMap<string, readonly Row[]> = (() => {
  const page = readFileSync(join(ROOT, 'docs/design.md'), 'utf8');
  const [, section = ''] = /^## Where do I add .*\n([\s\S]*?)^## /m.exec(page) ?? [];
  const questions = section.split(/^### /m).slice(1);
  return new Map(
    questions.flatMap((question) => {
      const rows = question.split('\n').flatMap((line) => {
        const [where = '', , missedBy = ''] = line.split(' | ');
        const files = [...where.matchAll(/`([^`]+)`/g)].map(([, file = '']) => file);
        return missedBy === '' || files.length === 0 ? [] : [{ files, missedBy }];
      });
      return rows.length === 0 ? [] : [[question.split('\n')[0] ?? '', rows] as const];
    }),
  );
})();

const VIF = ['vif=vif9.0', 'bridge=xenbr9', 'mac=00:16:3e:00:00:09', 'ip=192.0.2.9 2001:db8::9'];

/** A backend that holds no rules: as little as one can be. */
const NOTHING = `
import type { Backend } from '../backend.ts';

export function nothing(): Backend {
  const never = async (): Promise<never> => {
    throw new Error('nothing is ever loaded');
  };
  return {
    name: 'nothing',
    dropsAtDevice: () => false,
    learns: false,
    seesBehindTags: false,
    mostMacs: 1,
    routes: false,
    atOnce: 1,
    load: never,
    remove: never,
    dropLinkLocal: never,
    repair: never,
    distrust: () => {},
    leave: never,
    leaveAfterLast: never,
    ahead: () => {},
    base: () => undefined,
    look: never,
    compare: never,
    takeOut: async () => {},
    ruleCounts: never,
    countsTogether: false,
    limits: () => [{ accepted: true, text: 'nothing is filtered' }],
    loadText: ({ port }) => ({ title: 'nothing', text: \`for \${port.name}\`, notes: [] }),
    removalText: () => ({ title: 'nothing', text: '', notes: [] }),
  };
}
`;

/** What somebody would do who adds one of each. */
const EXAMPLES: Readonly<Record<string, Edits>> = {
  'An attack class': {
    'src/filter/udp.ts': [
      behind("{ values: [68], so: go('dhcp/server') },", "            { values: [5353], so: drop('mdns') },"),
    ],
    'src/filter/reasons.ts': [
      behind(
        "'dhcp6-form': { code: 56, from: 'send DHCPv6 relay or server messages' },",
        "  mdns: { code: 58, from: 'answer multicast DNS by unicast' },",
      ),
    ],
    'src/build/reason-classes.ts': [behind("'dhcp6-form': 'DHCP, DHCPv6',", "  mdns: 'Control protocols',")],
  },
  'A field that stages can ask about': {
    'src/filter/stage.ts': [behind("'ip protocol': number;", "  'ip ttl': number;")],
    'src/backends/nftables/fields.ts': [
      behind(
        'export const NFT_FIELDS: Readonly<Record<Field, NftField>> = {',
        "  'ip ttl': { text: 'ip ttl', value: 'plain' },",
      ),
    ],
    'src/backends/ebtables/fields.ts': [
      behind(
        'export const EBT_FIELDS: { readonly [F in Field]: EbtField<F> | NoMatch<F> } = {',
        "  'ip ttl': { unseen: 'time to live' },",
      ),
    ],
    'src/filter/frame-fields.ts': [
      behind("const PLACES: Readonly<Record<Field, Place | 'upper protocol'>> = {", "  'ip ttl': at('packet', 64, 8),"),
    ],
  },
  'A key of the policy': {
    'src/policy/keys.ts': [
      behind(
        'const TABLE = {',
        '  arp_questions: {',
        "    of: 'host',",
        "    sections: ['defaults'],",
        "    sharedRules: ['nftables'],",
        "    kind: choice({ many: 'as many as it likes', few: 'ten a second' }),",
        "    initial: 'many',",
        "    help: 'how often a guest may ask by ARP',",
        '  },',
      ),
    ],
  },
  'An opt-in (a word of `allow`)': {
    'src/filter/opt-ins.ts': [
      { place: 'export const OPT_IN_FLAGS = [', becomes: "export const OPT_IN_FLAGS = ['rarp', " },
      behind(
        'export const OPT_INS: readonly OptInWord[] = [',
        "  { word: 'rarp', flags: ['rarp'], opens: ['rarp'], meaning: 'RARP with its own MAC' },",
      ),
    ],
    'src/filter/arp.ts': [
      {
        place: "otherwise: drop('rarp'),",
        becomes: "otherwise: go('rarp/allowed'),",
      },
      behind(
        'fromGuest: [',
        '    {',
        "      name: 'rarp/allowed',",
        "      about: 'Who may speak it.',",
        "      steps: [{ when: [{ vif: 'rarp' }], so: ACCEPT }],",
        "      otherwise: drop('rarp'),",
        '    },',
      ),
    ],
  },
  'A command': {
    'src/commands/count.ts': [
      "import type { Host } from '../host.ts';",
      '',
      'export function count(host: Host): string {',
      "  return host.deviceNames().length > 0 ? 'all is well\\n' : '';",
      '}',
      '',
    ].join('\n'),
    'src/command-line.ts': [
      behind("import { dryReapply } from './commands/dry-run.ts';", "import { count } from './commands/count.ts';"),
      behind(
        'addStatusCommand(root, env, end);',
        '  root',
        "    .command('count')",
        "    .description('compare what is with what should be')",
        '    .action((options: CommonOptions) =>',
        "      withAdminHost('count', options, env, async (host) => {",
        '        process.stdout.write(count(host));',
        '      }),',
        '    );',
      ),
    ],
  },
  'A backend': {
    'src/backends/nothing/nothing.ts': NOTHING,
    'src/policy/keys.ts': [
      {
        place: "export const BACKEND_NAMES = ['nftables', 'ebtables'] as const;",
        becomes: "export const BACKEND_NAMES = ['nftables', 'ebtables', 'nothing'] as const;",
      },
      behind("nftables: 'an error where it is missing',", "      nothing: 'no rules at all',"),
    ],
    'src/backends/choice.ts': [
      behind(
        "import { nftables, routedNftables } from './nftables/nftables.ts';",
        "import { nothing } from './nothing/nothing.ts';",
      ),
      {
        place: "type Choice = { readonly name: 'nftables' }",
        becomes: "type Choice = { readonly name: 'nftables' | 'nothing' }",
      },
      behind(
        'switch (host.policy.backend) {',
        "    case 'nothing':",
        '      return managed(host, { name: host.policy.backend });',
      ),
      behind('switch (choice.name) {', "    case 'nothing':", '      return nothing();'),
      {
        place: "name === 'nftables' ? NFTABLES : { name, tools }",
        becomes: "name === 'ebtables' ? { name, tools } : { name }",
      },
    ],
    'src/build/source.ts': [behind('ebtables: rulesDigest,', "  nothing: () => 'nothing',")],
  },
};

test('the questions of the page are those that are played', () => {
  assert.deepEqual([...ANSWERS.keys()].sort(), Object.keys(EXAMPLES).sort());
});

for (const [question, rows] of ANSWERS) {
  const edits = EXAMPLES[question] ?? {};

  test(`${question}: the page names the files that are edited, and those that are there already`, () => {
    const named = rows.flatMap(({ files }) => files);
    const sources = named.filter((file) => file.startsWith('src/'));
    assert.deepEqual(
      Object.keys(edits).filter((file) => !sources.includes(file)),
      [],
      'edited, and not named',
    );
    const byCompiler = rows.filter(({ missedBy }) => missedBy === 'the compiler').flatMap(({ files }) => files);
    assert.deepEqual(
      byCompiler.filter((file) => !(file in edits)),
      [],
      'named, and not edited',
    );
    for (const file of named) assert.ok(existsSync(join(ROOT, file)) || typeof edits[file] === 'string', file);
  });
}

/** The edits of all answers together; they do not touch each other. */
const ALL: Edits = (() => {
  const all: Record<string, Edits[string]> = {};
  for (const [file, edit] of Object.values(EXAMPLES).flatMap((edits) => Object.entries(edits))) {
    const before = all[file];
    if (before === undefined) all[file] = edit;
    else if (typeof before !== 'string' && typeof edit !== 'string') all[file] = [...before, ...edit];
    else throw new Error(`two answers write ${file}`);
  }
  return all;
})();

test('the compiler is content with the edits that the page names', () => {
  assert.deepEqual([...faults(ALL)], []);
});

test('the compiler misses each file of which the page says so', () => {
  const missed = [...ANSWERS].map(([question, rows]) => ({
    question,
    files: rows.flatMap(({ files, missedBy }) => (missedBy === 'the compiler' ? files : [])),
  }));
  // One file of each answer at a time: a compilation takes seconds.
  const rounds = Math.max(...missed.map(({ files }) => files.length));
  for (let round = 0; round < rounds; round += 1) {
    const left = missed.flatMap(({ question, files }) => {
      const file = files[round];
      return file === undefined ? [] : [{ question, file }];
    });
    const found = faults(
      Object.fromEntries(Object.entries(ALL).filter(([file]) => left.every((one) => one.file !== file))),
    );
    for (const { question, file } of left) {
      const own = Object.keys(EXAMPLES[question] ?? {});
      assert.ok(
        own.some((name) => found.has(name)),
        `${question}: nothing is said without ${file}`,
      );
    }
  }
});

test('what follows by itself does', async (t) => {
  const copy = await changedCopy(t, {
    ...ALL,
    // Something must ask for the new field.
    'src/filter/ipv4.ts': [
      behind(
        "{ when: [{ field: 'ip version-ihl', isNot: IPV4_PLAIN }], so: go('ip/unusual') },",
        "        { when: [{ field: 'ip ttl', is: 0 }], so: drop('ip-form') },",
      ),
    ],
  });
  const ini = (name: string, text: string): string[] => {
    writeFileSync(join(copy.folder, name), `[defaults]\n${text}\n`);
    return ['--config', join(copy.folder, name)];
  };
  const nft = copy.vifBridge('online', '--dry-run', ...VIF);
  const ebtables = copy.vifBridge('online', '--dry-run', ...ini('ebtables.ini', 'backend = ebtables'), ...VIF);

  await t.test('an attack class: drop chain and counter', () => {
    assert.match(nft.stdout, /chain from-guest\/drop-mdns \{\n +add @drops \{ iifgroup \. 0x0000003a \}\n.*\n +drop /);
    assert.match(nft.stdout, /chain from-guest\/udp \{\n[\s\S]*?\b5353 : goto from-guest\/drop-mdns\b/);
  });

  await t.test('an attack class: the short way leaves it to the stages', () => {
    const udp = [...nft.stdout.matchAll(/^ *meta l4proto 17 .*$/gm)].map(([rule]) => rule);
    const fromGuest = udp.filter((rule) => /iifgroup|from-guest\//.test(rule) && !/@(forwarding|flows-)/.test(rule));
    assert.notEqual(fromGuest.length, 0);
    for (const rule of fromGuest) assert.match(rule, /@th,16,16 != \{.* 0x14e9\b/);
  });

  await t.test('an attack class: ebtables drops it', () => {
    assert.match(ebtables.stdout, /^-A vif9\.0-in\S* .*--ip-destination-port 5353 .*-j DROP/m);
  });

  await t.test('an attack class: docs/filter.md has its row', () => {
    const printed = evaluate(
      copy,
      `import { withTables } from './src/build/readme-tables.ts';
      console.log(withTables('docs/filter.md', '<!-- reasons --><!-- /reasons -->'));`,
    );
    assert.match(printed, /^`mdns` \| answer multicast DNS by unicast \| .* \| yes \| yes$/m);
  });

  await t.test('a field: nftables asks for it, ebtables says that it cannot see it', () => {
    assert.match(nft.stdout, /^ *ip ttl 0 goto from-guest\/drop-ip-form$/m);
    assert.match(ebtables.stdout, /time to live/);
  });

  await t.test('a key: it is read, and its words are the only ones', () => {
    assert.equal(copy.vifBridge('online', '--dry-run', ...ini('few.ini', 'arp_questions = few'), ...VIF).status, 0);
    const wrong = copy.vifBridge('online', '--dry-run', ...ini('less.ini', 'arp_questions = less'), ...VIF);
    assert.equal(wrong.status, 1);
    assert.match(wrong.stderr, /less\.ini:2\b/);
    assert.match(wrong.stderr, /\bmany, few\b/);
  });

  await t.test('a key: the table, sample and manual page have it, and it is in the name of the shared rules', () => {
    const printed = evaluate(
      copy,
      `import { withTables } from './src/build/readme-tables.ts';
      import { manualPage, sampleFile } from './src/build/policy-texts.ts';
      import { sharedName } from './src/policy/shared-rules.ts';
      import { DEFAULT_POLICY } from './src/policy/policy.ts';
      console.log(withTables('docs/policy.md', '<!-- allow --><!-- /allow --><!-- policy --><!-- /policy -->'), sampleFile(), manualPage());
      console.log(sharedName('nftables', DEFAULT_POLICY));`,
    );
    assert.match(printed, /^`arp_questions` \| \*\*many\*\*, few \| how often a guest may ask by ARP/m);
    assert.match(printed, /^arp_questions = many$/m);
    assert.match(printed, /^\.BI "arp_questions = "/m);
    assert.match(printed, /^nftables .*\barp_questions=many\b/m);
  });

  await t.test(
    'an opt-in: it is read, a set of nftables has it, ebtables has it for who has it, and so have the docs',
    () => {
      const allowed = copy.vifBridge('online', '--dry-run', ...ini('rarp.ini', 'allow = rarp'), ...VIF);
      assert.match(allowed.stdout, /^ +iifgroup @rarp accept$/m);
      assert.match(allowed.stdout, /^add element bridge xen-vif rarp \{ /m);
      assert.match(allowed.stdout, /^# note: allowed besides: rarp$/m);
      const also = copy.vifBridge(
        'online',
        '--dry-run',
        ...ini('both.ini', 'backend = ebtables\nallow = rarp'),
        ...VIF,
      );
      assert.match(also.stdout, /^-A vif9\.0-in\/rarp -j ACCEPT$/m);
      assert.match(ebtables.stdout, /^-A vif9\.0-in\/rarp -j DROP$/m);
      const printed = evaluate(
        copy,
        `import { withTables } from './src/build/readme-tables.ts';
      console.log(withTables('docs/policy.md', '<!-- allow --><!-- /allow --><!-- policy --><!-- /policy -->'));`,
      );
      assert.match(printed, /^`rarp` \| RARP with its own MAC \| `rarp`$/m);
    },
  );

  await t.test('a command: it runs, and is in the help', () => {
    assert.equal(copy.vifBridge('count').stdout, 'all is well\n');
    assert.match(copy.vifBridge('--help').stdout, /^ +count .*compare what is/m);
  });

  await t.test('a backend: a dry run is printed by it', () => {
    const { stdout, stderr } = copy.vifBridge(
      'online',
      '--dry-run',
      ...ini('nothing.ini', 'backend = nothing'),
      ...VIF,
    );
    assert.match(stdout, /^### nothing\nfor vif9\.0$/m, stderr);
  });
});

/** What a module of a copy prints. */
function evaluate(copy: Copy, script: string): string {
  const node = ['--import', 'tsx', '--input-type=module', '-e', script];
  const { status, stdout, stderr } = spawnSync(process.execPath, node, { cwd: copy.folder, encoding: 'utf8' });
  assert.equal(status, 0, stderr);
  return stdout;
}
