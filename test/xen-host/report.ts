import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** One sentence about the product, and whether it is true on this host. */
export interface Check {
  readonly scenario: string;
  readonly name: string;
  readonly ok: boolean;
  /** What was seen; shown for failures, kept for all. */
  readonly detail: string;
  /** Seconds since the check before it. */
  readonly seconds: number;
}

/** Where a scenario writes what it found. */
export interface Record {
  check(name: string, ok: boolean, detail?: string): void;
  /** A measured value or other remark, shown and kept, that decides nothing. */
  note(text: string): void;
}

/** All findings of a run. */
export interface Report {
  scenario(name: string): Record;
  readonly checks: readonly Check[];
  /** Writes results.tap and junit.xml. */
  write(folder: string): void;
}

const indented = (text: string, by: string) => text.trimEnd().replace(/^/gm, by);
const xml = (text: string) =>
  // biome-ignore lint/suspicious/noControlCharactersInRegex: XML 1.0 has no way to write these
  text.replace(/[\x00-\x08\x0b\x0c\x0e-\x1f]/g, '?').replace(/[&<>"]/g, (c) => `&#${c.charCodeAt(0)};`);

/** A report that prints each finding as it comes. */
export function newReport(say: (text: string) => void): Report {
  const checks: Check[] = [];
  const notes: string[] = [];
  let last = performance.now();
  return {
    checks,
    scenario: (scenario) => ({
      check: (name, ok, detail = '') => {
        const seconds = (performance.now() - last) / 1000;
        last = performance.now();
        checks.push({ scenario, name, ok, detail, seconds });
        say(`${ok ? 'pass' : 'FAIL'}  ${scenario}: ${name}  (${seconds.toFixed(1)} s)`);
        if (!ok && detail) say(indented(detail, '      | '));
      },
      note: (text) => {
        notes.push(`# ${scenario}: ${text}`);
        say(indented(`${scenario}: ${text}`, '      '));
      },
    }),
    write: (folder) => {
      const tap = checks.map(
        ({ scenario, name, ok, detail }, i) =>
          `${ok ? 'ok' : 'not ok'} ${i + 1} - ${scenario}: ${name.replaceAll('#', '\\#')}\n${detail ? `${indented(detail, '# ')}\n` : ''}`,
      );
      writeFileSync(
        join(folder, 'results.tap'),
        `TAP version 13\n1..${checks.length}\n${tap.join('')}${notes.map((n) => `${n.replaceAll('\n', '\n# ')}\n`).join('')}`,
      );
      const cases = checks.map(
        ({ scenario, name, ok, detail, seconds }) =>
          `  <testcase classname="${xml(scenario)}" name="${xml(name)}" time="${seconds.toFixed(3)}">` +
          `${ok ? '' : `<failure message="${xml(name)}">${xml(detail)}</failure>`}</testcase>\n`,
      );
      const failures = checks.filter(({ ok }) => !ok).length;
      writeFileSync(
        join(folder, 'junit.xml'),
        `<?xml version="1.0" encoding="UTF-8"?>\n<testsuite name="xen-host" tests="${checks.length}" failures="${failures}">\n${cases.join('')}</testsuite>\n`,
      );
    },
  };
}
