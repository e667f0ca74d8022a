/**
 * Every frame that a suite sends goes through `explain` too, before it is sent: what that says must be what the kernel
 * does, and the counter the same. Suites send frames in one place (verdict.ts), so every one of them is asked.
 */
import assert from 'node:assert/strict';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pcap } from '../lab/pcap.ts';
import type { Dom0 } from './dom0.ts';
import type { TestFrame, Verdict } from './verdict.ts';

/** What `explain --json` says of a frame, as far as it is compared. */
interface Answer {
  readonly verdict: 'accept' | 'drop';
  readonly direction: string;
  readonly stage: string;
  readonly reason: string | null;
}

/** At the port of the guest A in the frame's direction; and what V sends, also at V's own. */
export interface Explained {
  readonly atA: Answer;
  readonly atV: Answer | undefined;
  /** A is not filtered, or only observed: then the bridge alone decides how far a frame gets. */
  readonly unbound: boolean;
}

/** What `explain` says of all of them; nothing where ebtables has the rules, which cannot check all that stages ask. */
export async function explainAll(dom0: Dom0, frames: readonly TestFrame[]): Promise<ReadonlyMap<TestFrame, Explained>> {
  if (holderOf(dom0) !== 'nftables') return new Map();
  const ask = async (port: string, direction: string, some: readonly TestFrame[]): Promise<Map<TestFrame, Answer>> => {
    if (some.length === 0) return new Map();
    const file = join(dom0.folder, 'explained.pcap');
    writeFileSync(file, pcap(some.map(({ hex }) => hex)));
    const args = ['explain', port, '--direction', direction, '--pcap', file, '--json'];
    const { status, stdout, stderr } = await dom0.admin(args);
    assert.equal(status, 0, stderr);
    const answers: readonly Answer[] = JSON.parse(stdout);
    assert.equal(answers.length, some.length);
    return new Map(some.flatMap((one, at): [TestFrame, Answer][] => (answers[at] ? [[one, answers[at]]] : [])));
  };
  const of = (direction: string): TestFrame[] => frames.filter((one) => one.direction === direction);
  const atA = new Map([
    ...(await ask('vif1.0', 'from-guest', of('from-guest'))),
    ...(await ask('vif1.0', 'to-guest', of('to-guest'))),
  ]);
  const atV = await ask(
    'vif2.0',
    'from-guest',
    frames.filter(({ sender }) => sender === 'V'),
  );
  const [a] = await dom0.status();
  const unbound = a?.mode === 'unrestricted' || a?.observed === true;
  return new Map(
    frames.flatMap((one): [TestFrame, Explained][] => {
      const answer = atA.get(one);
      return answer === undefined ? [] : [[one, { atA: answer, atV: atV.get(one), unbound }]];
    }),
  );
}

function holderOf({ state }: Dom0): string {
  const file = join(state, 'base.json');
  return existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')).backend ?? 'nftables') : 'none';
}

/** The ports that a frame passes, in their order: what V may not send never comes to A. */
function stepsOf({ atA, atV }: Explained): readonly Answer[] {
  if (atV === undefined) return [atA];
  return atV.verdict === 'drop' ? [atV] : [atV, atA];
}

/** The reasons that a frame is said to be counted under. */
export function saidReasons(said: Explained | undefined): string[] {
  return (said === undefined ? [] : stepsOf(said)).flatMap(({ reason }) => reason ?? []);
}

/** What differs between what was said and what the kernel did; empty where nothing does. */
export function differences(said: ReadonlyMap<TestFrame, Explained>, done: ReadonlyMap<TestFrame, Verdict>): string[] {
  return [...said].flatMap(([one, explained]) => {
    const verdict = done.get(one);
    if (verdict === undefined) return [`${one.name}: was not sent`];
    const steps = stepsOf(explained);
    const drops = steps.some((step) => step.verdict === 'drop');
    const got = one.direction === 'to-guest' ? verdict.arrived.includes('A') : verdict.arrived.length > 0;
    const shown = steps.map((step) => `${step.verdict} in ${step.stage} (${step.reason})`).join(', ');
    const differing = [...verdict.counts].flatMap(([reason, counted]) => {
      const wanted = saidReasons(explained).filter((one) => one === reason).length;
      // Dom0's own kernel may say something of the same kind to a guest meanwhile.
      // What an observed guest sends to the groups of the link goes on, and the hook `input` counts it once more.
      const twice = explained.unbound && reason === 'link-local';
      const same = one.direction === 'to-guest' || twice ? counted >= wanted : counted === wanted;
      return same || isKeptByTheBridge(one, steps) ? [] : [`${reason} was counted ${counted} times`];
    });
    return [
      ...(drops && got ? ['it arrived'] : []),
      ...(!drops && !got && (one.expect === 'pass' || !explained.unbound) ? ['it did not arrive'] : []),
      ...differing,
    ].map((what) => `${one.name}: explain says ${shown}, and ${what}`);
  });
}

/** To the groups of the link: no bridge forwards what comes from another port, so no port counts it. */
function isKeptByTheBridge({ direction }: TestFrame, steps: readonly Answer[]): boolean {
  return direction === 'to-guest' && steps.at(-1)?.stage === 'link-local';
}
