import type { Ledger, Series } from './series.ts';
import { ratio, type Spread, spread } from './statistics.ts';

/** One line of the table of targets: what was asked for and what came out. Nothing fails by it. */
export interface Target {
  readonly what: string;
  readonly goal: string;
  /** Undefined: not measured in this run. */
  readonly value: Spread | undefined;
  /** The same ratio of CPU times, which other work on the machine disturbs less. */
  readonly cpu?: Spread;
  readonly unit: '' | 'ms' | 'MiB';
}

/** Who has what beside the guest that is measured, which has nothing (words.ts). */
export const PLAIN = 'nobody has a word';
export const OTHERS = 'another guest has every word';
export const LEARNER = 'and learns';
/** Whose routed vifs are not ours. */
export const STOCK_ROUTE = 'stock vif-route';

const FORMS = ['standalone', 'node'] as const;

type Key = readonly [figure: string, subject: string, vifs: number];

/** @param levels of vifs in this run, ascending */
export function targets(ledger: Ledger, levels: readonly number[]): Target[] {
  const most = levels.at(-1) ?? 0;
  const least = levels[0] ?? 0;
  const times = (what: string, goal: string, a: Key, b: Key): Target => {
    const [one, other] = [ledger.find(...a), ledger.find(...b)];
    const value = one && other ? ratio(one.samples, other.samples) : undefined;
    const cpu = one?.cpu && other?.cpu ? ratio(one.cpu, other.cpu) : undefined;
    return { what, goal, unit: '', value, ...(cpu === undefined ? {} : { cpu }) };
  };
  const plain = (what: string, goal: string, unit: 'ms' | 'MiB', key: Key): Target => {
    const one = ledger.find(...key);
    return { what, goal, unit, value: one && spread(one.samples) };
  };
  const storm = ledger.series.find((one) => one.figure === 'online at once')?.vifs ?? 0;
  return [
    times(
      '`online`, standalone / stock',
      '<= 1.0, aim 0.6',
      ['online', 'standalone', least],
      ['online', 'stock', least],
    ),
    times('`online`, Node / stock', '<= 1.6', ['online', 'node', least], ['online', 'stock', least]),
    times(
      `\`online\`, stock + ebtables / standalone, ${least} vifs`,
      '>= 6',
      ['online', 'stock + ebtables', least],
      ['online', 'standalone', least],
    ),
    times(
      '`online`, stock + ebtables / standalone, 1000 vifs',
      '>= 15',
      ['online', 'stock + ebtables', 1000],
      ['online', 'standalone', 1000],
    ),
    ...['online', 'reapply', 'offline'].flatMap((figure) =>
      FORMS.map((form) =>
        times(
          `\`${figure}\`, ${form}, ${most} vifs / ${least} vifs`,
          '<= 1.5',
          [figure, form, most],
          [figure, form, least],
        ),
      ),
    ),
    ...FORMS.flatMap((form) => [
      plain(`\`reapply --all\`, ${form}, 1000 vifs`, '<= 1500 ms', 'ms', ['reapply --all', form, 1000]),
      plain(`\`reapply --all\`, ${form}, 4000 vifs`, '<= 6000 ms', 'ms', ['reapply --all', form, 4000]),
    ]),
    ...FORMS.flatMap((form) => [
      times(
        `${storm} \`online\` at once / one by one, ${form}`,
        '<= 0.7 on 2 CPUs',
        ['online at once', form, storm],
        ['online one by one', form, storm],
      ),
      plain(`${storm} \`online\` at once, memory (PSS), ${form}`, '<= 1536 MiB', 'MiB', [
        'memory at once',
        form,
        storm,
      ]),
    ]),
    ...frames(ledger).flatMap(({ figure, vifs }) =>
      times(
        `${figure}, ${vifs} vifs, against an unfiltered bridge`,
        '<= 1.40',
        [figure, 'xen-vif-bridge', vifs],
        [figure, 'no filter', 0],
      ),
    ),
    ...ledger.series
      .filter(({ figure, subject }) => figure.startsWith('words, frame') && (subject === OTHERS || subject === LEARNER))
      .flatMap(({ figure, subject, vifs }) =>
        times(
          `${figure}, ${subject === LEARNER ? `${OTHERS} ${subject}` : subject}, against nobody`,
          subject === LEARNER ? '<= 1.10' : '<= 1.01',
          [figure, subject, vifs],
          [figure, PLAIN, vifs],
        ),
      ),
    ...ledger.series
      .filter(({ figure, subject }) => figure.startsWith('rules, frame') && subject !== 'no filter')
      .flatMap(({ figure, subject, vifs }) =>
        times(
          `${figure}, ${subject === 'with 20 rules' ? subject : 'without rules'}, ${vifs} vifs, against an unfiltered bridge`,
          subject === 'with 20 rules' ? '<= 1.6' : '<= 1.40',
          [figure, subject, vifs],
          [figure, 'no filter', 0],
        ),
      ),
    ...ledger.series
      .filter(({ figure, subject }) => figure === 'rules, online' && subject !== 'without rules')
      .flatMap(({ figure, subject, vifs }) =>
        times(
          `${figure}, ${subject}, ${vifs} other lists, against no rules`,
          '<= 1.5',
          [figure, subject, vifs],
          [figure, 'without rules', vifs],
        ),
      ),
    ...routed(ledger, times),
    ...FORMS.flatMap((form) => [
      plain(`\`verify\`, ${form}, 1000 vifs`, '<= 2000 ms', 'ms', ['verify', form, 1000]),
      times(
        `\`verify VIF\`, ${form}, ${most} vifs / 1000 vifs`,
        'to be flat',
        ['verify VIF', form, most],
        ['verify VIF', form, 1000],
      ),
    ]),
    ...FORMS.flatMap((form) => [
      plain(`\`status\`, ${form}, 1000 vifs`, '<= 500 ms', 'ms', ['status', form, 1000]),
      plain(`\`status\`, ${form}, 4000 vifs`, '<= 2000 ms', 'ms', ['status', form, 4000]),
    ]),
  ];
}

/** Of vifs that are on no bridge, beside stock's vif-route and the way that it leaves unfiltered. */
function routed({ series }: Ledger, times: (what: string, goal: string, a: Key, b: Key) => Target): Target[] {
  const levels = (figure: string, subject: string): number[] =>
    series.flatMap((one) => (one.figure === figure && one.subject === subject ? one.vifs : []));
  return [
    ...(['online', 'offline'] as const).flatMap((command) =>
      FORMS.flatMap((form) => {
        const figure = `routed, ${command}`;
        const [least = 0, ...more] = levels(figure, form);
        return [
          times(
            `routed, \`${command}\`, ${form} / stock vif-route`,
            form === 'standalone' ? '<= 1.0' : '<= 1.6',
            [figure, form, least],
            [figure, STOCK_ROUTE, least],
          ),
          ...more.map((vifs) =>
            times(
              `routed, \`${command}\`, ${form}, ${vifs} vifs / ${least} vifs`,
              '<= 1.5',
              [figure, form, vifs],
              [figure, form, least],
            ),
          ),
        ];
      }),
    ),
    ...['routed, frame in', 'routed, frame out'].flatMap((figure) =>
      levels(figure, 'xen-vif-bridge').map((vifs) =>
        times(
          `${figure}, ${vifs} vifs, against an unfiltered route`,
          '<= 1.40',
          [figure, 'xen-vif-bridge', vifs],
          [figure, 'no filter', 0],
        ),
      ),
    ),
  ];
}

function frames(ledger: Ledger): Series[] {
  return ledger.series.filter((one) => one.figure.startsWith('frame') && one.subject === 'xen-vif-bridge');
}
