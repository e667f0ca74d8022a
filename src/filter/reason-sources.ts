import type { Direction, Reason } from './reasons.ts';
import { isSwitch, type Outcome } from './stage.ts';
import { STAGES } from './stages.ts';

// The sign of a section as an escape: the bundle is ASCII, and esbuild leaves expressions as they are.
const SOURCE = /RFC \d+(?: \u00a7[\d.]*\d)?|CVE-\d+-\d+|IEEE [\d.]+[A-Z]*|LP#\d+/g;

/** The documents that the stages name where they drop for a reason: RFCs, CVEs, standards. */
export function sourcesOf(direction: Direction, reason: Reason): string[] {
  const isIt = (so: Outcome): boolean => 'drop' in so && so.drop === reason;
  const texts = STAGES[direction].flatMap((stage) => {
    const said = stage.steps.flatMap((step) => {
      const outcomes = isSwitch(step) ? step.cases.map(({ so }) => so) : [step.so];
      return step.why !== undefined && outcomes.some(isIt) ? [step.why] : [];
    });
    return isIt(stage.otherwise) || said.length > 0 ? [...said, stage.about] : [];
  });
  return [...new Set(texts.flatMap((text) => text.match(SOURCE) ?? []))];
}
