import { createReadStream } from 'node:fs';
import { type Command, Option } from 'commander';
import { withKnownRules } from '../backends/choice.ts';
import { explainFrame, type FrameAnswer, frameLine, parseHexFrame, tooShort } from '../commands/explain.ts';
import { explainVif } from '../commands/explain-vif.ts';
import { type ExplainedVif, explainedByHand, explainedNamed } from '../commands/explained.ts';
import { splitWords } from '../commands/rules.ts';
import { notes } from '../effects/log.ts';
import { whenUnread } from '../effects/reader.ts';
import { asFailure, Failure, printable } from '../errors.ts';
import { ETHERNET_BYTES } from '../filter/frame.ts';
import { DIRECTIONS, type Direction } from '../filter/reasons.ts';
import { jsonText } from '../json/writer.ts';
import { type CapturedFrame, captureReader } from '../net/capture.ts';
import { type Environment, policyOf, readableState } from '../run.ts';
import { systemHost } from '../system-host.ts';
import { type CommonOptions, collect, configOption, type End, orTrouble } from './common.ts';

interface ExplainOptions extends CommonOptions {
  readonly frame: readonly string[];
  readonly pcap?: string;
  readonly direction: Direction;
}

const EXAMPLES = `
Examples:
  vif-bridge explain vif1.0
  vif-bridge explain vif1.0 --frame ffffffffffff00163e0000010806...
  vif-bridge explain vif1.0 --direction to-guest --pcap capture.pcap
  tcpdump -U -w - -i vif1.0 | vif-bridge explain vif1.0 --pcap -
  vif-bridge explain vif=vif1.0 bridge=xenbr0 mac=00:16:3e:00:00:01 \\
    ip=192.0.2.10 --frame HEX --json

A vif that is described by vif= mac= ip= needs no root and no kernel. Of a
frame it says the verdict, the counter of status, the stage that decided, and
the line of the policy behind it. Limits count as kept, and each frame as the
first of its conversation. Ends with 0, or with 2 if it could not answer.`;

/** `vif-bridge explain VIF [--frame HEX] [--pcap FILE]` */
export function addExplainCommand(command: Command, env: Environment, end: End): void {
  command
    .description('what a vif may send and hear, what is dropped and why; or what becomes of a frame')
    .argument('<vif...>', 'vif1.0, the name it was given, or its guest; by hand: vif= bridge= mac= ip= guest=')
    .option('--frame <hex>', 'a frame, from its destination MAC on (repeatable)', collect, [])
    .option('--pcap <file>', 'every frame of a capture, pcap or pcapng; - reads from a pipe')
    .addOption(
      new Option('--direction <direction>', 'whether the guest sends it, or it is for the guest')
        .choices(DIRECTIONS)
        .default('from-guest' satisfies Direction),
    )
    .option('--json', 'for programs')
    .addOption(configOption())
    .addHelpText('after', EXAMPLES)
    .action((words: string[], options: ExplainOptions) => orTrouble(end, () => explain(words, options, env)));
}

async function explain(words: readonly string[], options: ExplainOptions, env: Environment): Promise<void> {
  // What is wrong with a frame is wrong whatever vif is meant.
  const frames = options.frame.map((text, at) =>
    parseHexFrame(text, options.frame.length === 1 ? '--frame' : `--frame, number ${at + 1}`),
  );
  const subject = await subjectOf(words, options, env);
  if (options.frame.length === 0 && options.pcap === undefined) {
    const { json, text } = explainVif(subject);
    process.stdout.write(options.json === true ? jsonText(json) : printable(text));
    return;
  }
  const answers: FrameAnswer[] = [];
  let number = 0;
  const answer = ({ bytes, length }: CapturedFrame): void => {
    number += 1;
    if (bytes.length < ETHERNET_BYTES) return void note(`frame ${number}: ${tooShort(bytes)}`);
    const one = explainFrame(subject, options.direction, bytes, length);
    if (options.json === true) answers.push(one);
    else process.stdout.write(printable(frameLine(one, number)));
    for (const what of options.json === true ? [] : one.assumed) assumed.add(what);
  };
  const assumed = new Set<string>();
  for (const bytes of frames) answer({ bytes, length: bytes.length });
  if (options.pcap !== undefined) await readCapture(options.pcap, answer);
  if (options.json === true) process.stdout.write(jsonText(answers));
  for (const text of [...subject.notes, ...[...assumed].map((what) => `assumed: ${what}`)]) note(text);
}

function note(text: string): void {
  process.stderr.write(`note: ${printable(text)}\n`);
}

/** Answers while it reads: what comes from a pipe may go on for hours. */
async function readCapture(file: string, answer: (frame: CapturedFrame) => void): Promise<void> {
  const at = file === '-' ? 'the standard input' : file;
  const reader = captureReader(at);
  const unread = whenUnread();
  try {
    for await (const chunk of file === '-' ? process.stdin : createReadStream(file)) {
      if (unread.aborted) return;
      for (const frame of reader.read(chunk)) answer(frame);
    }
  } catch (error) {
    if (error instanceof Failure) throw error;
    throw new Failure('input', asFailure(error).message, { at, hint: 'a file that tcpdump -w wrote, or - for a pipe' });
  }
  const trouble = reader.end();
  if (trouble !== undefined) note(`${at}: ${trouble}`);
}

async function subjectOf(words: readonly string[], options: ExplainOptions, env: Environment): Promise<ExplainedVif> {
  const { given, rest } = splitWords(words);
  const [name, ...more] = rest;
  const stray = given.length > 0 ? name : more[0];
  if (stray !== undefined) {
    throw new Failure('input', `${printable(stray)} is one word too many`, {
      at: 'the command line',
      hint: 'one vif by its name, or one that is described: vif=vif1.0 mac=... ip=...',
    });
  }
  const host = withKnownRules(
    systemHost({
      policy: await policyOf(options, env),
      stateDirectory: readableState(env),
      who: 'explain',
      log: notes(),
      deadlineMs: LOOK_MS,
      byPerson: true,
    }),
  );
  return given.length > 0 || name === undefined ? explainedByHand(host, given) : explainedNamed(host, name);
}

/** Only looking the vif up takes time. */
const LOOK_MS = 60_000;
