/** Whatever the rules of a guest say, no frame passes that the filter drops: every attack of the suites, sent again. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { ATTACKS } from './attacks.ts';
import { obstacle } from './dom0.ts';
import { openRuled } from './play.ts';
import { TOWARD_GUEST } from './toward-guest.ts';
import { judge } from './verdict.ts';

const DROPPED = [...ATTACKS, ...TOWARD_GUEST].filter(({ expect }) => expect === 'drop');

/**
 * @param lines of the rules that both guests have
 * @param every only each so-many-th attack
 */
export function testNarrow(title: string, lines: readonly string[], every = 1): void {
  test(`${title}: what is forged stays dropped`, { skip: obstacle() }, async (t) => {
    const policy = `[rules any]\n${lines.join('\n')}\n[defaults]\nrules = any\n`;
    const { dom0, wire } = await openRuled(t, policy);
    await wire.exit();
    const attacks = DROPPED.filter((_, at) => at % every === 0);
    assert.ok(attacks.length > 300 / every, `${attacks.length} attacks`);
    const verdicts = await judge(dom0, attacks);
    const passed = attacks.filter((one) => {
      const arrived = verdicts.get(one)?.arrived ?? ['G' as const];
      return one.direction === 'to-guest' ? arrived.includes('A') : arrived.length > 0;
    });
    assert.deepEqual(
      passed.map(({ name }) => name),
      [],
      lines.join('\n'),
    );
    const moved = attacks.filter((one) => (verdicts.get(one)?.moved.length ?? 0) > 0);
    assert.deepEqual(
      moved.map(({ name }) => name),
      [],
    );
  });
}
