/**
 * The lab's xenstored in a process of its own, so that it answers while the harness does something else.
 *
 * Started by store.ts, with which it talks over the IPC channel of child_process.fork.
 */

import { setPriority } from 'node:os';
import { startXenstored } from '../lab/xenstored.ts';
import { PRIORITY } from './stopwatch.ts';
import type { Answer, Question } from './store.ts';

setPriority(PRIORITY);
const store = await startXenstored({ log: false });
const tell = (answer: Answer): void => void process.send?.(answer);
process.on('message', (question: Question) => {
  if ('load' in question) store.load(question.load);
  tell({ values: 'read' in question ? question.read.map((path) => store.read(path) ?? null) : [] });
});
process.on('disconnect', () => process.exit(0));
tell({ socket: store.socket });
