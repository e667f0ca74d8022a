import type { ChalkInstance } from 'chalk';
import { oneLine } from '../errors.ts';
import type { RunTool, StartAhead } from './exec.ts';
import { outliveReader } from './reader.ts';

export type Severity = 'err' | 'warning' | 'info' | 'debug';

interface Line {
  readonly severity: Severity;
  readonly text: string;
}

/** Collects what a run has to say, in order, and delivers it once: one logger process for a whole run. */
export interface Log {
  say(severity: Severity, text: string): void;
  /**
   * Sends what was collected, and waits for what is on its way. Never fails: what syslog does not take goes to stderr.
   */
  deliver(run: RunTool): Promise<void>;
  /** Begins to send what was collected so far, for a run that has something else to do meanwhile. */
  begin(run: RunTool): void;
}

/** RFC 5424 table 2. */
const LEVEL: Readonly<Record<Severity, number>> = { err: 3, warning: 4, info: 6, debug: 7 };
/** Facility daemon (RFC 5424 table 1), where stock's messages are too (xen logging.sh). */
const DAEMON = 3 << 3;
const TAG = 'vif-bridge';
const LOGGER = ['-t', TAG, '--prio-prefix'] as const;

/** Starts logger, for lines that are sure to come. */
export function logAhead(host: { readonly ahead: StartAhead }): void {
  host.ahead('logger', LOGGER, { lockless: true });
}

/**
 * Syslog by logger(1). It reads many lines with a priority each (`--prio-prefix`), so it runs once.
 *
 * @param toPerson a person is at the terminal: lines also go there, in colour, when they are delivered
 */
export function syslog(toPerson: boolean): Log {
  const lines: Line[] = [];
  let sending: Promise<void> = Promise.resolve();
  let onTheWay = 0;
  const begin = (run: RunTool): void => {
    const batch = lines.splice(0);
    if (batch.length === 0) return;
    // One after the other: syslog keeps their order. The first one at once, while what was started ahead for it is
    // there.
    const sent = onTheWay === 0 ? send(batch, run, toPerson) : sending.then(() => send(batch, run, toPerson));
    onTheWay += 1;
    sending = sent.then(() => {
      onTheWay -= 1;
    });
  };
  return {
    say(severity, text) {
      lines.push({ severity, text: oneLine(text, 400) });
    },
    begin,
    deliver(run) {
      begin(run);
      return sending;
    },
  };
}

/** For a dry run, which tells nobody but the person. */
export function notes(): Log {
  return {
    say(_, text) {
      process.stderr.write(`note: ${oneLine(text, 400)}\n`);
    },
    begin() {},
    async deliver() {},
  };
}

async function send(batch: readonly Line[], run: RunTool, toPerson: boolean): Promise<void> {
  if (toPerson) await show(batch);
  const input = batch.map((line) => `<${DAEMON | LEVEL[line.severity]}>${line.text}\n`).join('');
  const sent = await run('logger', LOGGER, { input, timeoutMs: 2_000, lockless: true }).then(
    (result) => result.status === 0,
    () => false,
  );
  if (sent || toPerson) return;
  outliveReader();
  process.stderr.write(batch.map((line) => `${TAG}: ${line.text}\n`).join(''));
}

/** chalk is loaded only when there is a terminal: a run of Xen's need not wait for it (measured: 3 ms). */
async function show(batch: readonly Line[]): Promise<void> {
  const { default: chalk } = await import('chalk');
  const told = batch.filter((line) => line.severity !== 'debug');
  process.stderr.write(told.map((line) => `${coloured(chalk, line.severity, line.text)}\n`).join(''));
}

function coloured(chalk: ChalkInstance, severity: Severity, text: string): string {
  if (severity === 'err') return chalk.red(text);
  return severity === 'warning' ? chalk.yellow(text) : text;
}
