/** What is noted of a program when it is loaded is what is told of it when somebody lists it for the first time. */
import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { listed } from '../../src/backends/nftables/listed.ts';
import { shapeOfCommands } from '../../src/backends/nftables/program-shape.ts';
import { programText } from '../../src/backends/nftables/rule-program.ts';
import { baseText } from '../../src/backends/nftables/text.ts';
import type { Host } from '../../src/host.ts';
import { combine, parsePolicyText } from '../../src/policy/parse-policy.ts';
import { program } from '../../src/policy/rule-lists.ts';
import { programDigest } from '../../src/rules/program.ts';
import { createNamespace } from '../lab/namespace.ts';
import { parsePolicy } from '../policy/effective.ts';
import { ruleLines } from '../rules/random-programs.ts';
import { obstacle } from './dom0.ts';

/** Each way in which a rule ends. */
const KINDS = [
  'in allow tcp 80,443 stateless',
  'in allow tcp 22 log limit 3/minute',
  'in drop log',
  'out drop udp 53 to 192.0.2.1',
  'out allow gre,esp',
  'out allow',
];

test('of random programs', { skip: obstacle() }, async (t) => {
  const ns = await createNamespace('programs');
  t.after(() => ns.remove());
  const policy = parsePolicy('[defaults]\nrules = web\n[rules web]\nin drop\n', 'test');
  const base = baseText({ sentinel: 'base/0123-4567', policy, exempt: [], fresh: true });
  const programs = [KINDS, ...fc.sample(ruleLines, { numRuns: 10, seed: 7 })].map((lines) => {
    const text = parsePolicyText(`[rules random]\n${lines.join('\n')}\n`, 'random');
    assert.deepEqual(text.problems, [], lines.join('\n'));
    return program(combine([text]).ruleLists, ['random']);
  });
  await ns.check(['nft', '-f', '-'], { input: [base, ...programs.flatMap(programText), ''].join('\n') });
  const run = (async (tool: string, args: readonly string[]) => ns.run([tool, ...args])) as unknown as Host['run'];
  const shapes = (await listed({ run }, 'bridge'))?.programs;
  for (const one of programs) {
    assert.equal(
      shapes?.get(programDigest(one))?.shape,
      shapeOfCommands(programText(one)),
      programText(one).join('\n'),
    );
  }
  assert.ok(new Set([...(shapes?.values() ?? [])].map(({ shape }) => shape)).size > 5, 'they differ');
});
