import assert from 'node:assert/strict';
import test, { type TestContext } from 'node:test';
import { runBatch } from '../../src/effects/batch.ts';
import type { RunTool, ToolResult } from '../../src/effects/exec.ts';
import { createNamespace, type Namespace, namespaceObstacle } from '../lab/namespace.ts';

const skip = namespaceObstacle() ?? false;

/** The real tools, inside a namespace; `seen` gets the input of every call. */
async function tools(t: TestContext): Promise<{ ns: Namespace; run: RunTool; seen: string[] }> {
  const ns = await createNamespace('batches');
  t.after(() => ns.remove());
  const seen: string[] = [];
  const run: RunTool = async (tool, args, options = {}) => {
    seen.push(options.input ?? '');
    const result = await ns.run([tool, ...args], { input: options.input ?? '' });
    return { status: result.status ?? -1, stdout: result.stdout, stderr: result.stderr };
  };
  return { ns, run, seen };
}

test('a batch without lines runs nothing', async () => {
  assert.deepEqual(await runBatch(async () => assert.fail('ran something'), 'ip', []), []);
});

test('all lines run in one process, in their order', { skip }, async (t) => {
  const { ns, run, seen } = await tools(t);
  const lines = [
    { text: 'link add br0 type bridge' },
    { text: 'link set dev br0 mtu 1400', optional: 'mtu' },
    { text: 'link set dev br0 up' },
  ];
  assert.deepEqual(await runBatch(run, 'ip', lines), []);
  assert.equal(seen.length, 1);
  assert.match(await ns.check(['ip', '-o', 'link', 'show', 'br0']), /,UP.* mtu 1400 /);
});

// What the kernel refuses, and what ip refuses to send.
const FAILING: readonly (readonly [tool: 'ip' | 'bridge', line: string, says: RegExp])[] = [
  ['ip', 'link set dev nodev up', /Cannot find device "nodev"/],
  ['ip', 'link set dev lo master lo', /RTNETLINK answers|Error:/],
  ['ip', 'link set dev lo type bridge_slave learning off', /RTNETLINK answers|Error:|not supported/i],
  ['ip', 'link set dev lo type bridge_slave frobnicate on', /unknown option "frobnicate"/],
  ['ip', 'address flush dev nodev', /Device "nodev" does not exist|Cannot find device/],
  ['bridge', 'fdb replace 00:16:3e:00:00:01 dev nodev master static sticky', /Cannot find device|Invalid/],
  ['bridge', 'fdb replace 00:16:3e:00:00:01 dev lo master static sticky', /RTNETLINK answers|Error:/],
  ['bridge', 'fdb del 00:16:3e:00:00:01 dev lo master', /RTNETLINK answers|Error:/],
];

for (const [tool, line, says] of FAILING) {
  test(`${tool} ${line}: its error is found and belongs to its line`, { skip }, async (t) => {
    const { ns, run } = await tools(t);
    const before = tool === 'ip' ? 'link set dev lo down' : 'fdb show';
    const after = tool === 'ip' ? 'link set dev lo up' : 'fdb show';
    const lost = await runBatch(run, tool, [{ text: before }, { text: line, optional: 'the thing' }, { text: after }]);
    assert.equal(lost.length, 1);
    assert.ok(lost[0]?.startsWith(`the thing (${tool} ${line}: `), lost[0]);
    assert.match(lost[0] ?? '', says);
    if (tool === 'ip')
      assert.match(await ns.check(['ip', '-o', 'link', 'show', 'lo']), /,UP/, 'the lines behind it ran');

    await assert.rejects(runBatch(run, tool, [{ text: before }, { text: line }, { text: after }]), {
      name: 'Failure',
      code: 'tool',
      message: new RegExp(`^${tool} ${line.replace(/[.:]/g, '\\$&')} failed: `),
    });
  });
}

test('several lines that fail are told apart, and one that must not fail decides', { skip }, async (t) => {
  const { run } = await tools(t);
  const lines = [
    { text: 'link set dev none1 up', optional: 'first' },
    { text: 'link set dev lo type bridge_slave learning off', optional: 'second' },
    { text: 'link set dev lo up' },
    { text: 'link set dev none3 up', optional: 'third' },
  ];
  const lost = await runBatch(run, 'ip', lines);
  assert.deepEqual(
    lost.map((text) => text.split(' (')[0]),
    ['first', 'second', 'third'],
  );
  assert.match(lost[0] ?? '', /none1/);
  assert.match(lost[1] ?? '', /learning/);
  assert.match(lost[2] ?? '', /none3/);
  await assert.rejects(runBatch(run, 'ip', [...lines, { text: 'link set dev none5 up' }]), { message: /none5/ });
});

test('a word that ip does not know ends the whole batch, so it is an error even in an optional line', {
  skip,
}, async (t) => {
  const { ns, run } = await tools(t);
  for (const [line, message] of [
    ['link frobnicate', /^ip -batch failed \(status 255\): Command "frobnicate" is unknown/],
    ['link set dev lo mtu x', /^ip -batch failed \(status 255\): Error: argument "x" is wrong/],
  ] as const) {
    const lines = [{ text: line, optional: 'the thing' }, { text: 'link set dev lo down' }];
    await assert.rejects(runBatch(run, 'ip', lines), { name: 'Failure', code: 'tool', message });
    assert.match(await ns.check(['ip', '-o', 'link', 'show', 'lo']), /,UP/, 'nothing behind it was done');
  }
});

const says =
  (result: Partial<ToolResult>): RunTool =>
  async () => ({ status: 1, stdout: '', stderr: '', ...result });

test('a tool that fails without naming a line is an error, even if every line is optional', async () => {
  const lines = [{ text: 'link set dev lo up', optional: 'nothing much' }];
  await assert.rejects(runBatch(says({ stderr: 'Option "-force" is unknown' }), 'ip', lines), {
    name: 'Failure',
    message: 'ip -batch failed (status 1): Option "-force" is unknown',
  });
});

test('a failed line that was never sent is an error', async () => {
  const lines = [{ text: 'link set dev lo up', optional: 'nothing much' }];
  await assert.rejects(runBatch(says({ stderr: 'huh\nCommand failed -:7\n' }), 'ip', lines), { name: 'Failure' });
});

test('a line that fails silently is reported all the same', async () => {
  const lines = [{ text: 'link set dev lo up', optional: 'the link' }];
  assert.deepEqual(await runBatch(says({ stderr: 'Command failed -:1\n' }), 'ip', lines), [
    'the link (ip link set dev lo up: no reason given)',
  ]);
});
