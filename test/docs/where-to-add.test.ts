/**
 * "Where do I add ..." of docs/design.md is true: each answer is played on a copy of the source. The files that are edited
 * are those that the page names; the compiler is content with all of them, and misses those that it is said to miss; and
 * what the page says will follow by itself does.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { changedCopy, type Edits, faults, ROOT } from './changed-copy.ts';

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
    questions.map((question) => {
      const rows = question.split('\n').flatMap((line) => {
        const [where = '', , missedBy = ''] = line.split(' | ');
        const files = [...where.matchAll(/`([^`]+)`/g)].map(([, file = '']) => file);
        return missedBy === '' || files.length === 0 ? [] : [{ files, missedBy }];
      });
      return [question.split('\n')[0] ?? '', rows];
    }),
  );
})();

const VIF = ['vif=vif9.0', 'bridge=xenbr9', 'mac=00:16:3e:00:00:09', 'ip=192.0.2.9 2001:db8::9'];

/** What somebody would do who adds one of each. */
const EXAMPLES: Readonly<Record<string, Edits>> = {
  'An attack class': {
    'src/filter/udp.ts': [
      {
        behind: "{ values: [68], so: drop('dhcp-server') },",
        add: "            { values: [5353], so: drop('mdns') },",
      },
    ],
    'src/filter/reasons.ts': [
      { behind: "'dhcp6-form': { code:", add: "  mdns: { code: 57, from: 'answer multicast DNS by unicast' }," },
    ],
    'src/build/reason-classes.ts': [{ behind: "'dhcp6-form':", add: "  mdns: 'Control protocols'," }],
  },
  'A field that stages can ask about': {
    'src/filter/stage.ts': [{ behind: "'ip protocol': number;", add: "  'ip ttl': number;" }],
    'src/backends/nftables/fields.ts': [
      { behind: "'ip protocol': {", add: "  'ip ttl': { text: 'ip ttl', value: 'plain' }," },
    ],
    'src/backends/ebtables/fields.ts': [{ behind: "'ip protocol': {", add: "  'ip ttl': { unseen: 'time to live' }," }],
  },
  'A command': {
    'src/commands/verify.ts': [
      "import type { Host } from '../host.ts';",
      '',
      'export function verify(host: Host): string {',
      "  return host.deviceNames().length > 0 ? 'all is well\\n' : '';",
      '}',
      '',
    ].join('\n'),
    'src/command-line.ts': [
      {
        behind: "import { portStatus } from './commands/status.ts';",
        add: "import { verify } from './commands/verify.ts';",
      },
      {
        behind: '.action((vif: string | undefined, options: CommonOptions) => runStatus(vif, options, env));',
        add: [
          '  root',
          "    .command('verify')",
          "    .description('compare what is with what should be')",
          '    .action((options: CommonOptions) =>',
          "      withAdminHost('verify', options, env, async (host) => {",
          '        process.stdout.write(verify(host));',
          '      }),',
          '    );',
        ].join('\n'),
      },
    ],
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
    assert.deepEqual([...sources].sort(), Object.keys(edits).sort());
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
      {
        behind: "{ when: [{ field: 'ip version-ihl', isNot: IPV4_PLAIN }], so: go('ip/unusual') },",
        add: "        { when: [{ field: 'ip ttl', is: 0 }], so: drop('ip-form') },",
      },
    ],
  });
  const ini = (name: string, text: string): string[] => {
    writeFileSync(join(copy.folder, name), `[defaults]\n${text}\n`);
    return ['--config', join(copy.folder, name)];
  };
  const nft = copy.vifBridge('online', '--dry-run', ...VIF);
  const ebtables = copy.vifBridge('online', '--dry-run', ...ini('ebtables.ini', 'backend = ebtables'), ...VIF);

  await t.test('an attack class: drop chain and counter', () => {
    assert.match(nft.stdout, /chain from-guest\/drop-mdns \{\n +add @drops \{ iifgroup \. 0x00000039 \}\n +drop /);
    assert.match(nft.stdout, /chain from-guest\/udp \{\n[^}]*\b5353 : goto from-guest\/drop-mdns\b/);
  });

  await t.test('an attack class: the short way leaves it to the stages', () => {
    const udp = [...nft.stdout.matchAll(/^ *@nh,72,8 0x11 .*$/gm)].map(([rule]) => rule);
    const fromGuest = udp.filter((rule) => /iifgroup|from-guest\//.test(rule));
    assert.notEqual(fromGuest.length, 0);
    for (const rule of fromGuest) assert.match(rule, /@th,16,16 != 5353\b/);
  });

  await t.test('an attack class: ebtables drops it', () => {
    assert.match(ebtables.stdout, /^-A vif9\.0-in\S* .*--ip-destination-port 5353 .*-j DROP/m);
  });

  await t.test('an attack class: docs/filter.md has its row', () => {
    const script = `import { withTables } from './src/build/readme-tables.ts';
      console.log(withTables('docs/filter.md', '<!-- reasons --><!-- /reasons -->'));`;
    const node = ['--import', 'tsx', '--input-type=module', '-e', script];
    const printed = spawnSync(process.execPath, node, { cwd: copy.folder, encoding: 'utf8' });
    assert.match(printed.stdout, /^`mdns` \| answer multicast DNS by unicast \| .* \| yes \| yes$/m, printed.stderr);
  });

  await t.test('a field: nftables asks for it, ebtables says that it cannot see it', () => {
    assert.match(nft.stdout, /^ *ip ttl 0 goto from-guest\/drop-ip-form$/m);
    assert.match(ebtables.stdout, /time to live/);
  });

  await t.test('a command: it runs, and is in the help', () => {
    assert.equal(copy.vifBridge('verify').stdout, 'all is well\n');
    assert.match(copy.vifBridge('--help').stdout, /^ +verify .*compare what is/m);
  });
});
