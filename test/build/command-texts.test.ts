/**
 * Manual page and completions are made of the commands that the program has, and do in each shell what they promise.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import test, { after, before } from 'node:test';
import { allCommands, programShape } from '../../src/build/command-shape.ts';
import { COMMAND_TEXTS, commandText } from '../../src/build/command-texts.ts';
import { ROOT } from '../../src/build/readme-tables.ts';
import { commandTree } from '../../src/command-line.ts';
import { createNamespace, type Namespace, namespaceObstacle } from '../lab/namespace.ts';

const COMPLETIONS = join(ROOT, 'xen-scripts/completions');

for (const [file, make] of Object.entries(COMMAND_TEXTS)) {
  test(`${file} is made of the commands`, () => {
    assert.equal(readFileSync(join(ROOT, file), 'utf8'), commandText(make), `${file} is old: npm run texts`);
  });
}

test('every command, argument and option is in the manual page, in the words of --help', () => {
  const page = readFileSync(join(ROOT, 'docs/man/vif-bridge.8'), 'utf8').replaceAll('\\', '').replaceAll(/\s+/g, ' ');
  for (const { words, arguments: operands, options, commands } of allCommands(programShape())) {
    if (commands.length > 0) continue;
    assert.ok(page.includes(` ${words.join(' ')} `), words.join(' '));
    for (const { description } of [...operands, ...options.filter(({ names }) => !names.includes('--help'))]) {
      assert.ok(page.includes(description), description);
    }
  }
});

/** Rows of a terminal as it is opened, and what a person sees at once of the list of all commands. */
const SCREEN = 24;
const LARGE_SCREEN = 40;

test('help of each command fits a screen', () => {
  const root = commandTree({}, '', () => undefined);
  const helps = [root, ...root.commands, ...root.commands.flatMap((one) => one.commands)];
  for (const one of helps) {
    const lines = one.helpInformation().trimEnd().split('\n');
    const limit = one === root ? LARGE_SCREEN : SCREEN;
    assert.ok(lines.length <= limit, `${one.name()} --help has ${lines.length} lines`);
  }
});

const has = (shell: string): string | false => (spawnSync(shell, ['--version']).error ? `needs ${shell}` : false);

test('roff reads the manual page without a warning', { skip: has('groff') }, () => {
  const input = readFileSync(join(ROOT, 'docs/man/vif-bridge.8'));
  const read = spawnSync('groff', ['-man', '-ww', '-Tascii', '-P-cbou'], { input });
  assert.equal(read.stderr.toString(), '');
});

test('a host with guests', { skip: namespaceObstacle() }, async (t) => {
  let host: Namespace;
  before(async () => {
    host = await createNamespace('completion');
    for (const [name = '', peer = ''] of [
      ['vif1.0', 'vif$(id)'],
      ['web0', 'eth7'],
    ]) {
      await host.check(['ip', 'link', 'add', name, 'type', 'veth', 'peer', 'name', peer]);
    }
    await host.check(['ip', 'link', 'set', 'web0', 'group', '1073741830']);
    await host.check(['ip', 'link', 'add', 'xenbr0', 'type', 'bridge']);
  });
  after(() => host?.remove());

  /** What bash offers for the last of these words. */
  const offered = async (...words: string[]): Promise<string[]> => {
    const script = `source "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _vif_bridge
      printf '%s\\n' "\${COMPREPLY[@]}"`;
    const file = join(COMPLETIONS, 'vif-bridge.bash');
    const said = await host.run(['bash', '-u', '-c', script, 'bash', file, 'vif-bridge', ...words], { cwd: ROOT });
    assert.equal(said.stderr, '', words.join(' '));
    return said.stdout.split('\n').filter(Boolean).sort();
  };
  const CASES: readonly { readonly words: readonly string[]; readonly says: readonly string[] }[] = [
    { words: ['pol'], says: ['policy'] },
    { words: ['policy', ''], says: ['check', 'keys', 'show'] },
    { words: ['policy', 'check', 'package'], says: ['package-lock.json', 'package.json'] },
    { words: ['policy', 'keys', '--'], says: ['--help', '--json'] },
    { words: ['policy', 'keys', ''], says: [] },
    { words: ['status', ''], says: ['vif1.0', 'web0'] },
    { words: ['status', '--config', 'READ'], says: ['README.md'] },
    { words: ['reapply', 'web0', 'vi'], says: ['vif1.0'] },
    { words: ['online', 'bri'], says: ['bridge='] },
    { words: ['online', 'bridge', '='], says: ['xenbr0'] },
    { words: ['online', 'bridge', '=', 'xen'], says: ['xenbr0'] },
    { words: ['online', 'vif', '=', 'vif'], says: ['vif1.0'] },
    { words: ['online', 'mac', '=', ''], says: [] },
    { words: ['nothing-like-it', ''], says: [] },
  ];
  for (const { words, says } of CASES) {
    await t.test(`bash: vif-bridge ${words.join(' ')}<TAB>`, async () => {
      const found = await offered(...words);
      if (words[0] === 'nothing-like-it') assert.ok(found.includes('status'));
      else assert.deepEqual(found, says);
    });
  }

  await t.test('bash knows every command and option', async () => {
    for (const { words, commands, options } of allCommands(programShape())) {
      const below = await offered(...words, '');
      for (const one of commands) assert.ok(below.includes(one.words.at(-1) ?? ''), one.words.join(' '));
      const names = options.flatMap((one) => one.names).filter((name) => name.startsWith('--'));
      assert.deepEqual(await offered(...words, '--'), names.sort(), words.join(' '));
    }
  });

  await t.test('bash, at a terminal: what is completed is what runs', { skip: has('script') }, async () => {
    const start = `PS1=; source ${COMPLETIONS}/vif-bridge.bash; vif-bridge() { printf 'runs:%s.\\n' "$*"; }\n`;
    const child = host.spawn(['script', '-qec', 'bash --norc --noprofile -i', '/dev/null'], {
      env: { PATH: '/usr/bin:/bin', TERM: 'dumb' },
      cwd: ROOT,
    });
    let said = '';
    child.stdout.on('data', (data: Buffer) => (said += data.toString()));
    child.stdin.write(start);
    child.stdin.write('vif-bridge pol\tch\tREAD\t\nvif-bridge onl\tvif=vi\tbri\txen\t\nexit\n');
    await new Promise((resolve) => child.once('exit', resolve));
    assert.match(said, /runs:policy check README\.md\.\r/);
    assert.match(said, /runs:online vif=vif1\.0 bridge=xenbr0\.\r/);
  });

  await t.test('zsh reads its own, and offers commands and ports', { skip: has('zsh') }, async () => {
    // A completion needs a terminal of its own (zpty); `compadd` is asked for what it would offer.
    const script = `autoload -Uz compinit zsh/zpty; zmodload zsh/zpty
      zpty z zsh -f -i
      zpty -w z "fpath=(${COMPLETIONS} \\$fpath); autoload -Uz compinit; compinit -u -D; PS1=; vif-bridge() { print runs:\\$*. }"
      zpty -w z $'vif-bridge pol\\tsh\\tweb\\t'
      zpty -w z $'vif-bridge onl\\tbri\\tx'
      zpty -w z exit
      while zpty -r z line; do print -r -- "$line"; done`;
    const said = await host.run(['zsh', '-f', '-c', script], {
      cwd: ROOT,
      env: { PATH: '/usr/bin:/bin', TERM: 'dumb' },
    });
    assert.match(said.stdout, /runs:policy show web0\./);
    assert.match(said.stdout, /runs:online bridge=x\./);
  });

  await t.test('fish offers commands, options and ports', { skip: has('fish') }, async () => {
    const file = join(COMPLETIONS, 'vif-bridge.fish');
    const asked = async (line: string): Promise<string[]> => {
      const script = `source ${file}; complete -C ${JSON.stringify(line)}`;
      const said = await host.run(['fish', '--no-config', '-c', script], { env: { PATH: '/usr/bin:/bin', HOME: '/' } });
      assert.equal(said.stderr, '');
      return said.stdout.split('\n').flatMap((one) => one.split('\t')[0] || []);
    };
    assert.deepEqual(await asked('vif-bridge pol'), ['policy']);
    assert.deepEqual((await asked('vif-bridge policy ')).sort(), ['check', 'keys', 'show']);
    assert.deepEqual((await asked('vif-bridge status w')).sort(), ['web0']);
    assert.ok((await asked('vif-bridge status --')).includes('--json'));
    assert.ok(!(await asked('vif-bridge repair --')).includes('--json'));
  });
});
