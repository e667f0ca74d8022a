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

test('the help of each command that looks at a host that runs has examples', {
  skip: formObstacle() ?? false,
}, async () => {
  for (const command of COMMANDS) {
    const { stdout } = await runProgram([...program(), ...command.split(' '), '--help'], { env: PLAIN_ENV });
    assert.match(stdout, new RegExp(`^Examples?:\\n(.*\\n)*? .*vif-bridge ${command}\\b`, 'm'), command);
  }
});
