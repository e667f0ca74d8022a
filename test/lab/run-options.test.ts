/** `npm test` refuses an option that it does not know: it would run something else than was meant. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { fileURLToPath } from 'node:url';
import { runProgram } from './subprocess.ts';

const RUN = fileURLToPath(new URL('../run.ts', import.meta.url));

for (const option of ['--al', '--all=1', '-v', '--test-name-pattern=x', '--'])
  test(`${option} is no option, and no test runs`, async () => {
    const { status, stdout, stderr } = await runProgram([process.execPath, '--import', 'tsx', RUN, option, 'net/']);
    assert.deepEqual(
      [status, stdout, stderr],
      [2, '', `${option} is no option of the tests: --all, --broad, --verbose\n`],
    );
  });
