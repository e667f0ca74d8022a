import { unknownText, watchJson, watchText } from '../commands/watch/watch-text.ts';
import { type Watched, type Watcher, watcher } from '../commands/watch/watcher.ts';
import { FAILED, Failure, shown } from '../errors.ts';
import type { Host } from '../host.ts';
import { jsonText } from '../json/writer.ts';
import { type CommonOptions, type End, TROUBLE } from './common.ts';
import { pause } from './pause.ts';
import { openScreen } from './screen.ts';

export interface WatchOptions extends CommonOptions {
  readonly once?: boolean;
  readonly interval?: string;
}

const FASTEST_S = 0.2;
const SLOWEST_S = 3600;
const BARS = 30;
/** How long frames are waited for. */
const HEAR_MS = 1_500;

/**
 * Redraws on a terminal until somebody ends it; elsewhere, with `--once` and with `--json` it says what was dropped in
 * one interval and ends, with 1 if somebody pretended to be another, with 2 if nobody seems to, and rules of some are
 * not as they were loaded.
 */
export async function runWatch(host: Host, options: WatchOptions, end: End): Promise<void> {
  const ms = intervalOf(options.interval) * 1000;
  const watching = watcher(host, () => Number(process.hrtime.bigint() / 1000n) / 1000);
  if (options.once === true || options.json === true || process.stdout.isTTY !== true) {
    await watchOnce(host, watching, ms, options, end);
  } else await watchOn(watching, ms);
}

function intervalOf(text: string | undefined): number {
  const seconds = Number(text ?? '1');
  if (text !== '' && seconds >= FASTEST_S && seconds <= SLOWEST_S) return seconds;
  throw new Failure('input', `--interval ${shown(text ?? '')} is no number of seconds`, {
    at: 'the command line',
    hint: `from ${FASTEST_S} to ${SLOWEST_S}`,
  });
}

async function watchOnce(host: Host, watching: Watcher, ms: number, options: WatchOptions, end: End): Promise<void> {
  await watching.look();
  await host.sleep(ms);
  let seen = current(await watching.look());
  const hears = await watching.lookAtFrames(HEAR_MS);
  if (seen.some(({ spoofing }) => spoofing)) {
    const claims = new Map((await watching.look()).map((one) => [one.ifindex, one]));
    seen = seen.map((one) => {
      const { claim, victim } = claims.get(one.ifindex) ?? one;
      return one.spoofing ? { ...one, claim, victim } : one;
    });
  }
  const unknown = { damaged: watching.damaged(), open: watching.open() };
  const view = { colours: process.stdout.isTTY === true, bars: 0, hears, ...unknown };
  if (options.json === true) {
    process.stdout.write(jsonText(watchJson(seen)));
    for (const line of unknownText(unknown)) process.stderr.write(`note: ${line}\n`);
  } else process.stdout.write(watchText(seen, view));
  if (seen.some(({ spoofing }) => spoofing)) end(FAILED);
  else if (unknown.damaged.size > 0) end(TROUBLE);
}

function current(all: readonly Watched[]): readonly Watched[] {
  return all.filter(({ now }) => now > 0);
}

async function watchOn(watching: Watcher, ms: number): Promise<void> {
  const screen = openScreen(process.stdin, process.stdout);
  let hears = true;
  let hearing: Promise<void> | undefined;
  let failure: unknown;
  try {
    screen.draw('looking at the counters ...\n');
    while (!screen.hasEnded()) {
      const began = Date.now();
      const seen = await watching.look();
      if (failure !== undefined) throw failure;
      const title = `${new Date().toISOString().slice(11, 19)} UTC   q ends`;
      screen.draw(
        `${title}\n${watchText(seen, { colours: true, bars: BARS, hears, damaged: watching.damaged(), open: watching.open() })}`,
      );
      hearing ??= watching
        .lookAtFrames(HEAR_MS)
        .then((there) => {
          hears = there;
        })
        .catch((error: unknown) => {
          failure = error;
        })
        .finally(() => {
          hearing = undefined;
        });
      // A host whose listing takes long is not kept busy with nothing else.
      const took = Date.now() - began;
      await pause(Math.max(ms - took, took), screen.ended);
    }
    await hearing;
  } finally {
    screen.close();
  }
}
