/** What comes from outside is no command to a terminal, whatever way it takes to one. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'node:test';
import type { PortStatus } from '../../src/commands/status.ts';
import { statusJson, statusText } from '../../src/commands/status-text.ts';
import { Failure, failureLine, oneLine, printable } from '../../src/errors.ts';
import { jsonText } from '../../src/json/writer.ts';
import { failureText } from '../../src/run.ts';
import { form, formObstacle, program } from '../lab/program.ts';
import { PLAIN_ENV, runProgram } from '../lab/subprocess.ts';

/** Clears the screen, sets the title, is eight-bit CSI, turns the line round, goes back over what was said. */
const EVIL = '\u001b[2J\u001b]0;x\u0007\u009b31m\u202eA\u2028\u0000\u007f\r';
const COMMANDS = /[^\P{Cc}\n\t]|[\u202a-\u202e\u2066-\u2069\u2028\u2029]/u;

const clean = (text: string, what: string): void => {
  assert.doesNotMatch(text, COMMANDS, what);
  assert.notEqual(text, '', what);
};

test('only line feeds and tabs are left of what is none of a text', () => {
  assert.equal(printable(`a\n\tb ${EVIL}`), 'a\n\tb ?[2J?]0;x??31m?A????');
  assert.equal(printable('grün 東京 😀'), 'grün 東京 😀');
});

test('a failure', async () => {
  const failure = new Failure('input', EVIL, { at: EVIL, hint: EVIL });
  clean(await failureText(failure), 'for a person');
  clean(failureLine(failure), 'in one line');
  clean(oneLine(EVIL), 'in the log');
});

test('status, of names and values that xenstore and state hold', () => {
  const port: PortStatus = {
    name: EVIL,
    device: `${EVIL}1`,
    state: 'managed',
    bridge: EVIL,
    up: true,
    link: 'up',
    guest: { domid: 1, name: EVIL },
    mac: EVIL,
    extraMacs: EVIL,
    learned: [],
    addresses: [EVIL],
    shared: [EVIL],
    routes: [EVIL],
    mode: 'addresses',
    policyMode: 'locked',
    observed: false,
    unfiltered: undefined,
    overdue: EVIL,
    allow: [],
    until: undefined,
    conversations: undefined,
    log: 'limited',
    rules: [],
    warnings: [EVIL],
    notes: [
      { loud: true, text: EVIL },
      { loud: false, text: EVIL },
    ],
    drops: [{ direction: 'from-guest', reason: EVIL as never, packets: 1, bytes: 1 }],
    since: EVIL,
  };
  clean(statusText([port], false), 'for people');
  const json = statusJson([port]);
  clean(json, 'for programs');
  const [row] = JSON.parse(json) as [{ guest: { name: string } }];
  assert.equal(row.guest.name, EVIL);
});

test('JSON says the same with escapes, also of what needs two of them', () => {
  const value = { text: `${EVIL}\u{e0001}`, list: [1, 'é'] };
  assert.deepEqual(JSON.parse(jsonText(value)), value);
  clean(jsonText(value), 'JSON');
});

/** No NUL: no argument has one. */
const ARGUMENT = EVIL.replaceAll('\0', '');

const ARGUMENTS: readonly (readonly string[])[] = [
  [ARGUMENT],
  [`--${ARGUMENT}`],
  ['help', ARGUMENT],
  ['status', ARGUMENT],
  ['status', `--config=${ARGUMENT}`],
  ['status', `--${ARGUMENT}`],
  ['reapply', ARGUMENT],
  ['reapply', '--dry-run', ARGUMENT],
  ['policy', 'check', ARGUMENT],
  ['policy', 'show', ARGUMENT],
  ['policy', ARGUMENT],
  ['online', ARGUMENT],
  ['online', `vif=${ARGUMENT}`],
  ['online', `type_if=${ARGUMENT}`],
  ...['mac', 'ip', 'bridge', 'vifname', 'mtu', ARGUMENT].map((key) => [
    'online',
    '--dry-run',
    'vif=vif1.0',
    'mac=00:16:3e:00:00:01',
    `${key}=${ARGUMENT}`,
  ]),
];

test('every argument', { skip: formObstacle() ?? false }, async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'xvb-terminal-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const config = join(folder, 'policy.ini');
  writeFileSync(config, `[defaults]\n${EVIL} = 1\nno_ip = ${EVIL}\n`);
  const env = { ...PLAIN_ENV, VIF_BRIDGE_STATE_DIR: folder };
  for (const args of [...ARGUMENTS, ['policy', 'check', config], ['policy', 'check', '--json', config]]) {
    const { stdout, stderr } = await runProgram([...program(), ...args], { env });
    clean(stdout + stderr, JSON.stringify(args));
  }
});

test('help is no failure, but for what there is none', { skip: formObstacle() ?? false }, async () => {
  const status = async (...args: string[]): Promise<number | null> =>
    (await runProgram([...program(), ...args], { env: PLAIN_ENV })).status;
  for (const args of [
    ['help'],
    ['help', 'online'],
    ['help', 'policy'],
    ['--help'],
    ['online', '--help'],
    ['--version'],
  ]) {
    assert.equal(await status(...args), 0, args.join(' '));
  }
  for (const args of [[], ['help', 'me'], ['helm']]) assert.equal(await status(...args), 1, args.join(' '));
});

test('--version says which form it is', { skip: formObstacle() ?? false }, async () => {
  const { stdout } = await runProgram([...program(), '--version'], { env: PLAIN_ENV });
  const is = form() === 'node' ? 'the bundle, on Node ' : 'the standalone executable, on bun ';
  assert.match(stdout, new RegExp(`^\\d+\\.\\d+\\.\\d+ \\(.+\\), ${is}\\d+\\.\\d+\\.\\d+\\n$`));
});

test('status says that another build lies beside the one that runs', { skip: formObstacle() ?? false }, async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'xvb-builds-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const said = async (more: object): Promise<string> =>
    (await runProgram([...program(), 'status'], { env: { ...PLAIN_ENV, VIF_BRIDGE_STATE_DIR: folder, ...more } }))
      .stderr;
  assert.match(await said({ VIF_BRIDGE_BUILDS: 'differ' }), /^note: dist\/vif-bridge is of another build/);
  assert.doesNotMatch(await said({}), /another build/);
});
