import { withKnownRules } from '../backends/choice.ts';
import { explainedNamed } from '../commands/explained.ts';
import { type DroppedFrame, droppedFrame, droppedLine, type MoreFrames } from '../commands/log/dropped-frames.ts';
import { lineLimiter } from '../commands/log/line-limit.ts';
import { portStatus } from '../commands/status.ts';
import { didYouMean } from '../did-you-mean.ts';
import { type Capture, captureFrames } from '../effects/frame-capture.ts';
import { whenUnread } from '../effects/reader.ts';
import { Failure, printable, shown } from '../errors.ts';
import type { Host } from '../host.ts';
import { jsonLine } from '../json/writer.ts';
import { captureReader } from '../net/capture.ts';
import { isLogged, LOGGED_REASONS, type LogChoice } from '../policy/log-choice.ts';
import { portsNamed } from '../vif/guest-ports.ts';
import type { CommonOptions, End } from './common.ts';

export interface LogOptions extends CommonOptions {
  readonly follow?: boolean;
  readonly seconds?: string;
  readonly reason: readonly string[];
  readonly syslog?: boolean;
}

/** A flood of one kind at one port is some lines, and then a line a second that says how many more there were. */
const LIMIT = { burst: 10, perSecond: 1 } as const;
const TICK_MS = 1_000;
/** Each port is listened at by a program of its own. */
const MOST_PORTS = 16;
const LONGEST_S = 86_400;

/**
 * A line for each frame that guests send and that is dropped, while it listens: at the ports that are named, or at all.
 * Nobody pays for it at any other time. It ends after some seconds, or with `--follow` when it is told to.
 */
export async function runLog(host: Host, words: readonly string[], options: LogOptions, end: End): Promise<void> {
  const seconds = secondsOf(options.seconds);
  mustBeReasons(options.reason);
  const ports = await listenedPorts(host, words);
  const limiter = lineLimiter(LIMIT);
  let dropped = 0;
  const tell = (line: string, json: DroppedFrame | MoreFrames): void => {
    process.stdout.write(options.json === true ? jsonLine(json) : `${new Date().toISOString()} ${line}\n`);
    if (options.syslog === true) host.log.say('warning', line);
  };
  const say = (frame: DroppedFrame, choice: LogChoice): void => {
    if (!isLogged(choice, frame.reason)) return;
    if (options.reason.length > 0 && !options.reason.includes(frame.reason)) return;
    dropped += 1;
    if (limiter.allow(`${frame.vif} ${frame.reason}`, performance.now())) tell(droppedLine(frame), frame);
  };
  const sayKept = (): void => {
    for (const [kind, count] of limiter.kept()) {
      const [vif = '', reason = ''] = kind.split(' ');
      tell(`${kind}: ${count} more in the last second`, { at: new Date().toISOString(), vif, reason, more: count });
    }
    if (options.syslog === true) host.sendLog();
  };
  const captures: Capture[] = [];
  const timer = setInterval(sayKept, TICK_MS);
  try {
    for (const { vif, guest } of ports) {
      const subject = await explainedNamed(withKnownRules(host), vif);
      for (const text of subject.notes) process.stderr.write(printable(`note: ${vif}: ${text}\n`));
      const reader = captureReader(vif);
      captures.push(
        captureFrames(vif, (bytes) => {
          for (const captured of reader.read(bytes)) {
            const frame = droppedFrame(subject, { vif, guest }, captured, new Date().toISOString());
            if (frame !== undefined) say(frame, subject.policy.log);
          }
        }),
      );
    }
    await Promise.race([over(options.follow === true ? undefined : seconds), ...captures.map(({ ended }) => ended)]);
  } finally {
    clearInterval(timer);
    for (const capture of captures) capture.stop();
    sayKept();
  }
  end(options.follow === true || dropped === 0 ? 0 : 1);
}

function secondsOf(text = '10'): number {
  const seconds = Number(text);
  if (text.trim() !== '' && seconds > 0 && seconds <= LONGEST_S) return seconds;
  throw new Failure('input', `--seconds ${shown(text)} is no number of seconds`, {
    at: 'the command line',
    hint: `up to ${LONGEST_S}, or --follow`,
  });
}

/** Who waits for what never comes believes that nothing comes. @throws Failure `input` */
function mustBeReasons(words: readonly string[]): void {
  const known: readonly string[] = LOGGED_REASONS;
  const unknown = words.find((word) => !known.includes(word));
  if (unknown === undefined) return;
  const meant = didYouMean(unknown, known);
  throw new Failure('input', `--reason ${shown(unknown)} is no reason for which frames of a guest are dropped`, {
    at: 'the command line',
    hint: meant === undefined ? `one of ${known.join(' ')}` : `did you mean ${meant}?`,
  });
}

/** @throws Failure `input`, `missing` */
async function listenedPorts(
  host: Host,
  words: readonly string[],
): Promise<{ readonly vif: string; readonly guest: string | undefined }[]> {
  const names = (await Promise.all(words.map((word) => portsNamed(host, word)))).flat();
  const all = await portStatus(host, words.length === 0 ? undefined : names);
  const configured = all.filter(({ since }) => since !== undefined);
  if (configured.length === 0) {
    throw new Failure('missing', 'no run of this program has configured any of these ports', {
      hint: 'vif-bridge status shows all',
    });
  }
  const ours = configured.filter(({ log }) => log !== 'off');
  if (ours.length === 0) {
    throw new Failure('missing', 'the policy says log = off of all of these ports', {
      hint: `vif-bridge policy show ${configured[0]?.name ?? 'VIF'} says where`,
    });
  }
  if (ours.length > MOST_PORTS) {
    throw new Failure('input', `${ours.length} ports are too many to listen at`, {
      at: 'the command line',
      hint: `name at most ${MOST_PORTS}; vif-bridge watch says who to look at`,
    });
  }
  return ours.map(({ name, guest }) => ({ vif: name, guest: guest?.name }));
}

/** Resolves after so many seconds, at a signal that ends, or when nobody reads any more. */
async function over(seconds: number | undefined): Promise<void> {
  const unread = whenUnread();
  await new Promise<void>((resolve) => {
    const end = (): void => {
      clearTimeout(timer);
      resolve();
    };
    const timer = setTimeout(resolve, (seconds ?? LONGEST_S * 20) * 1000);
    unread.addEventListener('abort', end);
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGPIPE'] as const) process.once(signal, end);
  });
}
