import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import test, { type TestContext } from 'node:test';
import fc from 'fast-check';
import type { RunTool } from '../../src/effects/exec.ts';
import {
  nodeExists,
  parseListing,
  readDirectoriesBelow,
  readDirectory,
  writeKeys,
} from '../../src/effects/xenstore.ts';
import { Failure } from '../../src/errors.ts';
import { PLAIN_ENV, runProgram } from '../lab/subprocess.ts';
import { startXenstored, type Xenstored } from '../lab/xenstored.ts';

const PATH = 'backend/vif/1/0';
const ABSOLUTE = `/local/domain/0/${PATH}`;
const noTools =
  spawnSync('xenstore-ls', ['-h']).error === undefined ? false : 'needs xenstore-ls (Debian: xenstore-utils)';

const keys = (...lines: string[]): Record<string, string> =>
  Object.fromEntries(parseListing(`${lines.join('\n')}\n`, PATH));

test('a listing is keys and values, without what is deeper', () => {
  assert.deepEqual(
    keys(
      `${PATH}/mac = "00:16:3e:00:00:01"`,
      `${PATH}/ip = ""`,
      `${PATH}/hotplug-status = "connected"`,
      `${PATH}/ip/x = "10.0.0.1"`,
      `${PATH}/a/b/mac:`,
    ),
    { mac: '00:16:3e:00:00:01', ip: '', 'hotplug-status': 'connected' },
  );
});

test('a value may look like a listing', () => {
  assert.deepEqual(keys(`${PATH}/ip = "a" = "b"`, `${PATH}/x = """`, `${PATH}/y = "abc"..."`, `${PATH}/z = ":"`), {
    ip: 'a" = "b',
    x: '"',
    y: 'abc"...',
    z: ':',
  });
});

test('escapes stand for their bytes', () => {
  assert.deepEqual(keys(`${PATH}/ip = "a\\nb\\tc\\rd\\\\n\\xffe\\0001\\x41"`), {
    ip: 'a\nb\tc\rd\\n\xffe\x001A',
  });
});

test('a key whose value cannot be read is not taken for one that is not set', () => {
  assert.throws(() => keys(`${PATH}/mac = "m"`, `${PATH}/ip:`, ''), {
    name: 'Failure',
    message: /cannot read .*\/ip$/,
  });
});

test('a line that is no listing is refused, since it may be a lost key', () => {
  for (const line of [
    'ip = "10.0.0.1"',
    `${PATH}/ip = "10.0.0.1`,
    `${PATH}/ip`,
    `${PATH}/i p = "x"`,
    'warning: busy',
  ]) {
    assert.throws(() => keys(line), { name: 'Failure', code: 'tool' });
  }
});

async function store(t: TestContext): Promise<{ store: Xenstored; run: RunTool }> {
  const xenstored = await startXenstored();
  t.after(() => xenstored.stop());
  return { store: xenstored, run: toolsAt(xenstored.socket) };
}

/** The genuine tools, told where the xenstored of the test listens. */
function toolsAt(socket: string, extra: Readonly<Record<string, string>> = {}): RunTool {
  return async (tool, args) => {
    const result = await runProgram([tool, ...args], { env: { ...PLAIN_ENV, XENSTORED_PATH: socket, ...extra } });
    return { status: result.status ?? -1, stdout: result.stdout, stderr: result.stderr };
  };
}

/** On a host whose xenstore tools have no xenstore-ls. */
function withoutLs(run: RunTool): RunTool {
  return async (tool, args, options) => {
    if (tool === 'xenstore-ls') throw new Failure('not-installed', 'xenstore-ls is not installed');
    return run(tool, args, options);
  };
}

test('with the genuine xenstore tools', { skip: noTools }, async (t) => {
  const ODD: Readonly<Record<string, string | Uint8Array>> = {
    plain: '192.0.2.1 2001:db8::1',
    empty: '',
    blanks: '  a  ',
    quotes: '"a" \'b\' = "c"',
    lines: 'a\nbackend/vif/1/0/ip = "10.0.0.1"\n',
    backslashes: 'a\\nb\\x41\\\\',
    tabs: 'a\tb\rc',
    umlauts: 'ä€',
    bytes: Uint8Array.from([0, 1, 0x31, 0x7f, 0x80, 0xff, 0x41, 0]),
    cut: 'abc"...',
    wide: 'y'.repeat(200),
    full: 'z'.repeat(4000),
    'full-of-bytes': new Uint8Array(3000).fill(0xfe),
  };
  const bytesOf = (value: string | Uint8Array): string => Buffer.from(value).toString('latin1');

  await t.test('every value is read byte by byte as it was written', async (t) => {
    const { store: xenstored, run } = await store(t);
    for (const [key, value] of Object.entries(ODD)) xenstored.write(`${ABSOLUTE}/${key}`, value);
    xenstored.write(`${ABSOLUTE}/deeper/plain`, 'of somebody else');
    const read = await readDirectory(run, PATH);
    for (const [key, value] of Object.entries(ODD)) assert.equal(read?.get(key), bytesOf(value), key);
    assert.deepEqual(await readDirectory(run, ABSOLUTE), read);
  });

  await t.test('any bytes are read as they were written', async (t) => {
    const { store: xenstored, run } = await store(t);
    const values = fc.sample(fc.oneof(fc.uint8Array({ maxLength: 60 }), fc.string().map(Buffer.from)), 200);
    for (const [index, value] of values.entries()) xenstored.write(`${ABSOLUTE}/k${index}`, value);
    const read = await readDirectory(run, PATH);
    for (const [index, value] of values.entries()) assert.equal(read?.get(`k${index}`), bytesOf(value));
  });

  await t.test('a list of addresses longer than a terminal is wide is read to its end', async (t) => {
    const { store: xenstored, run } = await store(t);
    const ip = Array.from({ length: 12 }, (_, n) => `2001:db8:${n}::1`).join(' ');
    xenstored.load({ [`${ABSOLUTE}/mac`]: '00:16:3e:00:00:01', [`${ABSOLUTE}/ip`]: ip });
    assert.equal((await readDirectory(run, PATH))?.get('ip'), ip);
  });

  await t.test('a key that is removed between listing and reading is an error', async (t) => {
    const { store: xenstored, run } = await store(t);
    xenstored.load({ [`${ABSOLUTE}/mac`]: 'm', [`${ABSOLUTE}/ip`]: '192.0.2.1' });
    // Removed at the last moment: when the tool asks for its value.
    const log = xenstored.log as unknown as { push: (request: { op: string; path: string }) => number };
    log.push = (request) => {
      if (request.op === 'READ' && request.path.endsWith('/ip')) xenstored.remove(`${ABSOLUTE}/ip`);
      return 0;
    };
    await assert.rejects(readDirectory(run, PATH), { name: 'Failure', message: /cannot read .*\/ip$/ });
  });

  await t.test('a directory that does not exist is told from a xenstored that does not answer', async (t) => {
    const { run } = await store(t);
    assert.equal(await readDirectory(run, 'backend/vif/9/9'), undefined);
    await assert.rejects(readDirectory(toolsAt('/nonexistent'), PATH), { name: 'Failure', message: /xs_open/ });
  });

  await t.test('without xenstore-ls the keys that matter are read one by one', async (t) => {
    const { store: xenstored, run } = await store(t);
    const wanted = { mac: '00:16:3e:00:00:01', ip: '192.0.2.1\n"x"', bridge: '', vifname: 'wéb\\0' };
    for (const [key, value] of Object.entries(wanted)) xenstored.write(`${ABSOLUTE}/${key}`, value);
    const read = await readDirectory(withoutLs(run), PATH);
    for (const [key, value] of Object.entries(wanted)) assert.equal(read?.get(key), bytesOf(value), key);
    assert.equal(read?.get('mtu'), undefined);
    assert.equal(await readDirectory(withoutLs(run), 'backend/vif/9/9'), undefined);
    await assert.rejects(readDirectory(withoutLs(toolsAt('/nonexistent')), PATH), { name: 'Failure' });
  });

  await t.test(
    'pairs are written in their order and in one transaction, also values that look like options',
    async (t) => {
      const { store: xenstored, run } = await store(t);
      await writeKeys(run, [
        [`${PATH}/hotplug-error`, '-b "x" (y)'],
        [`${PATH}/hotplug-status`, 'error'],
      ]);
      const writes = xenstored.log.filter(({ op }) => op === 'WRITE');
      assert.deepEqual(
        writes.map(({ path, value }) => `${path}=${value}`),
        [`${PATH}/hotplug-error=-b "x" (y)`, `${PATH}/hotplug-status=error`],
      );
      assert.equal(new Set(writes.map(({ transaction }) => transaction)).size, 1);
      await assert.rejects(writeKeys(toolsAt('/nonexistent'), [['a', 'b']]), { name: 'Failure', code: 'tool' });
    },
  );

  await t.test('the vifs of many domains are read by several tools at once, and no key is lost', async (t) => {
    const { store: xenstored, run } = await store(t);
    const domains = Array.from({ length: 130 }, (_, index) => index + 1);
    for (const domid of domains) {
      xenstored.load({
        [`/local/domain/0/backend/vif/${domid}/0/mac`]: `00:16:3e:00:00:${domid}`,
        [`/local/domain/0/backend/vif/${domid}/1/ip`]: `192.0.2.${domid}\n`,
      });
    }
    const calls: number[] = [];
    const counted: RunTool = (tool, args, options) => {
      if (tool === 'xenstore-ls') calls.push(args.length - 1);
      return run(tool, args, options);
    };
    const keysOf = await readDirectoriesBelow(counted, 'backend/vif');
    for (const domid of domains) {
      assert.deepEqual([...(keysOf(`backend/vif/${domid}/0`) ?? [])], [['mac', `00:16:3e:00:00:${domid}`]]);
      assert.deepEqual([...(keysOf(`backend/vif/${domid}/1`) ?? [])], [['ip', `192.0.2.${domid}\n`]]);
    }
    assert.equal(keysOf('backend/vif/131/0'), undefined);
    assert.deepEqual(calls, [33, 33, 33, 31]);
  });

  await t.test('a guest that ends while all are read costs no other its keys', async (t) => {
    const { store: xenstored, run } = await store(t);
    for (let domid = 1; domid <= 100; domid += 1) {
      xenstored.write(`/local/domain/0/backend/vif/${domid}/0/mac`, `00:16:3e:00:00:${domid}`);
    }
    const late: RunTool = (tool, args, options) => {
      // Between the list of domains and the look at them.
      if (tool === 'xenstore-ls') xenstored.remove('/local/domain/0/backend/vif/7');
      return run(tool, args, options);
    };
    const keysOf = await readDirectoriesBelow(late, 'backend/vif');
    for (let domid = 1; domid <= 100; domid += 1) {
      assert.equal(keysOf(`backend/vif/${domid}/0`) === undefined, domid === 7, String(domid));
    }
  });

  await t.test('a xenstored that does not answer, or that nobody can reach, is an error', async () => {
    const hangs: RunTool = async () => {
      throw new Failure('timeout', 'it did not end');
    };
    await assert.rejects(readDirectoriesBelow(hangs, 'backend/vif'), { name: 'Failure', code: 'timeout' });
    await assert.rejects(readDirectoriesBelow(toolsAt('/nonexistent'), 'backend/vif'), { message: /xs_open/ });
  });

  await t.test('a node exists or not', async (t) => {
    const { store: xenstored, run } = await store(t);
    xenstored.write(`${ABSOLUTE}/script`, '');
    assert.equal(await nodeExists(run, `${PATH}/script`), true);
    assert.equal(await nodeExists(run, `${PATH}/mac`), false);
  });
});
