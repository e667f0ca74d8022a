import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';

/**
 * Waits for something that programs do by themselves, as long as a busy machine may need; how long it takes says
 * nothing.
 *
 * @param what is waited for, for the error, with what was `said` by then
 */
export async function until(what: string, holds: () => Promise<boolean>, said: () => string = () => ''): Promise<void> {
  for (let waited = 0; waited < 80; waited += 1) {
    if (await holds()) return;
    await sleep(250);
  }
  assert.fail(`${what}\n${said()}`.trimEnd());
}
