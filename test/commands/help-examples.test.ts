/** Who does not know a command sees how it is said. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { formObstacle, program } from '../lab/program.ts';
import { PLAIN_ENV, runProgram } from '../lab/subprocess.ts';

const COMMANDS = [
  'reapply',
  'status',
  'verify',
  'repair',
  'explain',
  'watch',
  'log',
  'doctor',
  'metrics',
  'self-test',
  'unlock',
  'address add',
  'address remove',
];

test('no line of any help is wider than a terminal', { skip: formObstacle() ?? false }, async () => {
  const linesOf = async (words: readonly string[]): Promise<string[]> => {
    const { status, stdout } = await runProgram([...program(), ...words, '--help'], { env: PLAIN_ENV });
    assert.equal(status, 0, words.join(' '));
    return stdout.split('\n');
  };
  const within = (lines: readonly string[]): string[] =>
    lines.slice(lines.indexOf('Commands:') + 1).flatMap((line) => /^ {2}([a-z-]+) /.exec(line)?.[1] ?? []);
  const visit = async (words: readonly string[]): Promise<void> => {
    const lines = await linesOf(words);
    assert.deepEqual(
      lines.filter((line) => line.length > 80),
      [],
      words.join(' '),
    );
    if (!lines.includes('Commands:')) return;
    for (const word of within(lines)) if (word !== 'help') await visit([...words, word]);
  };
  await visit([]);
});

test('the help of each command that looks at a host that runs has examples', {
  skip: formObstacle() ?? false,
}, async () => {
  for (const command of COMMANDS) {
    const { stdout } = await runProgram([...program(), ...command.split(' '), '--help'], { env: PLAIN_ENV });
    assert.match(stdout, new RegExp(`^Examples?:\\n(.*\\n)*? .*vif-bridge ${command}\\b`, 'm'), command);
  }
});
