/**
 * The key `allow` on a running host: each word opens what it is about for the guest that has it, nothing for the guest
 * beside it, and nothing that is forged. With all words at once the attacks that pass are those that are listed here.
 */
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { OPT_INS } from '../../src/filter/opt-ins.ts';
import { ATTACKS } from './attacks.ts';
import { CORPUS } from './corpus.ts';
import { type Dom0, obstacle } from './dom0.ts';
import { A, V } from './frames.ts';
import { LEGITIMATE } from './legitimate.ts';
import { forgedOf, OTHER_WORDS, WITH_THE_WORD, WITHOUT_A_WORD, WORDS } from './opt-ins.ts';
import { TOWARD_GUEST } from './toward-guest.ts';
import { assertVerdict, GUEST_A, GUEST_V, judge, openGuests, testFrames } from './verdict.ts';

const skip = obstacle();

/** Attacks that a guest with every word may make, one a line; UPDATE_GOLDEN=1 writes it. */
const ALLOWED_ATTACKS = new URL('allowed-attacks.txt', import.meta.url).pathname;

const allowing = (mac: string, words: readonly string[]): string => `[mac ${mac}]\nallow = ${words.join(' ')}\n`;
const open =
  (policy: string) =>
  (t: test.TestContext): Promise<Dom0> =>
    openGuests(t, GUEST_A, GUEST_V, { policy });

if (skip) test('opt-ins', { skip }, () => {});
else {
  testFrames('a guest beside one that has every word has none', WITHOUT_A_WORD, open(allowing(V.mac, WORDS)));
  testFrames('what is legitimate stays so for a guest with every word', LEGITIMATE, open(allowing(A.mac, WORDS)));

  test('a guest with one word, taken in by reapply', async (t) => {
    const dom0 = await open('')(t);
    for (const word of WORDS) {
      writeFileSync(join(dom0.folder, 'vif-bridge.ini'), allowing(A.mac, [word]));
      assert.equal((await dom0.admin(['reapply', 'vif1.0'])).status, 0);
      const [port] = await dom0.status();
      await t.test(`${word} is shown by status`, () => assert.deepEqual(port?.allow, [word]));
      const own = WITH_THE_WORD.filter(({ name }) => name.startsWith(`${word}: `));
      // What other words open, but for what both do: the reasons tell.
      const opens: readonly (string | undefined)[] =
        OPT_INS.find((one) => one.word === word.split(':')[0])?.opens ?? [];
      const others = OTHER_WORDS.filter(({ reason }) => !opens.includes(reason));
      const frames = [...own, ...forgedOf(word), ...others];
      const verdicts = await judge(dom0, frames);
      for (const one of frames) {
        await t.test(`with ${word}: ${one.name} ${one.expect === 'pass' ? 'arrives' : 'is dropped'}`, () =>
          assertVerdict(one, verdicts.get(one)),
        );
      }
    }
    writeFileSync(join(dom0.folder, 'vif-bridge.ini'), '');
    assert.equal((await dom0.admin(['reapply', 'vif1.0'])).status, 0);
    await t.test('without a word again nothing of it is left', async () => {
      const verdicts = await judge(dom0, WITHOUT_A_WORD);
      for (const one of WITHOUT_A_WORD) assertVerdict(one, verdicts.get(one));
      assert.deepEqual((await dom0.status())[0]?.allow, []);
    });
  });

  test('of all attacks by a guest with every word those pass that the words are about', async (t) => {
    const dom0 = await open(allowing(A.mac, WORDS))(t);
    const attacks = [...CORPUS, ...ATTACKS, ...TOWARD_GUEST].filter(({ expect }) => expect === 'drop');
    const verdicts = await judge(dom0, attacks);
    const passed = attacks.filter((one) =>
      one.direction === 'to-guest'
        ? verdicts.get(one)?.arrived.includes('A')
        : (verdicts.get(one)?.arrived.length ?? 0) > 0,
    );
    const text = passed.map((one) => `${one.reason}: ${one.name}\n`).join('');
    if ((process.env.UPDATE_GOLDEN ?? '') !== '') writeFileSync(ALLOWED_ATTACKS, text);
    assert.equal(text, readFileSync(ALLOWED_ATTACKS, 'utf8'));
    const opened = new Set<string | undefined>(OPT_INS.flatMap(({ opens }) => opens));
    assert.deepEqual(
      // Of two the attack names no reason: fragments of a DHCPv6 server.
      passed
        .filter(({ reason, name }) => !opened.has(reason) && !name.startsWith('DHCPv6 of a server behind a'))
        .map(({ name }) => name),
      [],
    );
    for (const one of attacks) assert.deepEqual(verdicts.get(one)?.moved, [], one.name);
  });
}
