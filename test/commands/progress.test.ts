/** What a command says while somebody waits for it: on a terminal, and nowhere else. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { whileWorking } from '../../src/command-line/progress.ts';

/** Work that takes so many seconds of a clock that only the test moves. */
async function shown(t: test.TestContext, isTTY: boolean, seconds: number): Promise<string[]> {
  t.mock.timers.enable({ apis: ['setInterval'] });
  const written: string[] = [];
  const stream = { isTTY, write: (text: string) => written.push(text) } as unknown as NodeJS.WriteStream;
  const result = await whileWorking(stream, 'comparing all vifs', async () => {
    t.mock.timers.tick(seconds * 1000);
    return 'done';
  });
  assert.equal(result, 'done');
  const end = written.length;
  t.mock.timers.tick(5_000);
  assert.equal(written.length, end, 'nothing is said of what is done');
  return written;
}

test('what takes longer than a second says so, and leaves nothing of it', async (t) => {
  assert.deepEqual(await shown(t, true, 2), [
    '\r\u001b[Kcomparing all vifs, 1 s ...\r',
    '\r\u001b[Kcomparing all vifs, 2 s ...\r',
    '\r\u001b[K',
  ]);
});

test('what is done at once says nothing', async (t) => assert.deepEqual(await shown(t, true, 0), []));

test('in a pipe there is nothing', async (t) => assert.deepEqual(await shown(t, false, 9), []));

test('what fails leaves nothing of it either', async (t) => {
  t.mock.timers.enable({ apis: ['setInterval'] });
  const written: string[] = [];
  const stream = { isTTY: true, write: (text: string) => written.push(text) } as unknown as NodeJS.WriteStream;
  const work = async (): Promise<never> => {
    t.mock.timers.tick(1_000);
    throw new Error('it failed');
  };
  await assert.rejects(whileWorking(stream, 'repairing all vifs', work), /it failed/);
  assert.equal(written.at(-1), '\r\u001b[K');
});
