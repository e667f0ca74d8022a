import { chmodSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { PLAIN_ENV, type RunResult } from '../lab/subprocess.ts';

/**
 * When a run is killed, seen from one of the programs it starts (some are started before their input is ready):
 * - `started`: when it is, and it goes on with what input it gets;
 * - `before` it has done anything, but has all its input: it never does;
 * - `after` it has done its work;
 * - `late`: before, but the program lives on and does its work some time after that.
 */
export const MOMENTS = ['started', 'before', 'after', 'late'] as const;
export type Moment = (typeof MOMENTS)[number];

export interface Strike {
  /** Which of the programs that the run starts, as `run` names it: `ip.2` is the second ip. */
  readonly program: string;
  readonly moment: Moment;
}

/** Runs the program with stand-ins for the tools it starts, which kill it at a chosen moment. */
export interface ToolKiller {
  /**
   * @param start runs the program to its end, with these variables in its environment
   * @param strike undefined lets it run to its end
   * @returns the programs it started, in order, and how it ended
   */
  run(start: Start, strike?: Strike): Promise<{ tools: string[]; result: RunResult }>;
  /** Waits until the program that lived on, at the moment `late`, has done its work. */
  latecomer(): Promise<void>;
}

export type Start = (env: Readonly<Record<string, string>>) => Promise<RunResult>;

const TOOLS = [
  'nft',
  'ip',
  'bridge',
  'tc',
  'ethtool',
  'flock',
  'logger',
  'ebtables-nft',
  'ebtables-nft-restore',
  'ebtables',
  'ebtables-restore',
  'ebtables-save',
];
const XENSTORE_TOOLS = [
  'xenstore-ls',
  'xenstore-read',
  'xenstore-write',
  'xenstore-exists',
  'xenstore-list',
  'xenstore-rm',
];

/**
 * The stand-in finds its number among those of its name (several may be started at once, so by a folder that only one
 * can make), kills its parent if it is its turn, and becomes the real tool.
 */
const STAND_IN = `#!/bin/sh
PATH=$REAL_PATH
tool="\${0##*/}"
number=1
while ! mkdir "$STRIKE_LOG.d/$tool.$number" 2>/dev/null; do number=$((number + 1)); done
echo "$tool.$number" >>"$STRIKE_LOG"
[ "$tool.$number" = "$STRIKE_PROGRAM" ] || exec "$tool" "$@"
input="$STRIKE_LOG.d/input"
case $STRIKE_MOMENT in
  started) kill -KILL $PPID; exec "$tool" "$@" ;;
  before) cat >"$input"; kill -KILL $PPID ;;
  after) "$tool" "$@"; kill -KILL $PPID ;;
  late) cat >"$input"; kill -KILL $PPID; sleep 0.6; "$tool" "$@" <"$input"; : >"$STRIKE_LOG.late" ;;
esac
`;

/** @param place an empty folder, or one that others use too */
export function toolKiller(place: string): ToolKiller {
  const folder = join(place, 'stand-ins');
  const log = join(place, 'tools');
  const late = `${log}.late`;
  const real = PLAIN_ENV.PATH ?? '';
  const installed = (tool: string): boolean => real.split(':').some((place) => existsSync(join(place, tool)));
  mkdirSync(folder);
  for (const tool of [...TOOLS, ...XENSTORE_TOOLS].filter(installed)) {
    writeFileSync(join(folder, tool), STAND_IN);
    chmodSync(join(folder, tool), 0o755);
  }
  return {
    async run(start, strike) {
      for (const file of [log, late, `${log}.d`]) rmSync(file, { recursive: true, force: true });
      mkdirSync(`${log}.d`);
      const result = await start({
        PATH: `${folder}:${real}`,
        REAL_PATH: real,
        STRIKE_LOG: log,
        STRIKE_PROGRAM: strike?.program ?? '',
        STRIKE_MOMENT: strike?.moment ?? '',
      });
      const tools = existsSync(log) ? readFileSync(log, 'utf8').split('\n').filter(Boolean) : [];
      return { tools, result };
    },
    async latecomer() {
      while (!existsSync(late)) await sleep(5);
    },
  };
}
