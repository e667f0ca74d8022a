import { startDeadline } from '../../src/effects/deadline.ts';
import { toolRunner } from '../../src/effects/exec.ts';
import { flockLocks } from '../../src/effects/lock.ts';
import { lockfileLocks } from '../../src/effects/lockfile-lock.ts';

// A run of its own, to be killed: takes the lock, says so, and keeps it.
const [kind = '', directory = '', name = '', who = ''] = process.argv.slice(2);
const run = toolRunner(startDeadline(60_000));
const { take } = kind === 'flock' ? flockLocks(directory, who, run, new Set()) : lockfileLocks(directory, who);
await take(name, 10_000);
process.stdout.write('held\n');
setInterval(() => {}, 1_000);
