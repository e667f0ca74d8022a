import assert from 'node:assert/strict';
import { Failure } from '../../src/errors.ts';

/** True if the text is accepted, false if it is refused as bad input; anything else that is thrown goes on. */
export function accepts(parse: (text: string) => unknown, text: string): boolean {
  try {
    parse(text);
    return true;
  } catch (error) {
    if (error instanceof Failure && error.code === 'input') return false;
    throw error;
  }
}

/** The Failure that refuses a text; its message is fit for a log: one printable line. */
export function refusal(parse: (text: string) => unknown, text: string): Failure {
  try {
    parse(text);
  } catch (error) {
    assert.ok(error instanceof Failure, `${JSON.stringify(text)}: ${String(error)}`);
    assert.equal(error.code, 'input');
    assert.match(error.message, /^[\x20-\x7e]+$/);
    return error;
  }
  throw new Error(`accepted: ${JSON.stringify(text)}`);
}
