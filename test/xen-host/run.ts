import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { cachePath } from './cache.ts';
import { HarnessError } from './command.ts';
import { hostParts } from './dom0-image.ts';
import { FORMS } from './network.ts';
import { forgetVersions } from './packages.ts';
import { play } from './play.ts';
import { RELEASES } from './release.ts';
import { newReport } from './report.ts';
import { requirePrograms } from './requirements.ts';
import { productMissing } from './run-drive.ts';
import { ALL, SMOKE } from './scenario/all.ts';
import type { Scenario } from './scenario.ts';

const USAGE = `usage: node --import tsx test/xen-host/run.ts [smoke|all|SCENARIO...] [options]
  smoke            ${SMOKE.map((s) => s.name).join(', ')} (default)
  SCENARIO         ${ALL.map((s) => s.name).join(', ')}
  --script WHICH   stock or product: the hotplug script, whatever the scenario is made for
  --form WHICH     node or standalone: the form of the product (default standalone)
  --release WHICH  ${RELEASES.map(({ name }) => name).join(', ')} or each: the Debian of dom0 and guests (default ${RELEASES[0]?.name})
  --minutes N      end after this time (default 60)
  --results DIR    where results.tap, junit.xml and the host's logs go
  --refresh        take Debian's newest packages instead of those of the run before
exit status: 0 all passed, 1 a check failed, 2 the host could not be built or started`;

const say = (text: string): void => console.log(text);

function chosen(names: readonly string[]): readonly Scenario[] {
  const scenarios = (names.length === 0 ? ['smoke'] : names).flatMap((name): readonly Scenario[] => {
    if (name === 'smoke') return SMOKE;
    if (name === 'all') return ALL;
    const scenario = ALL.find((s) => s.name === name);
    if (!scenario) throw new HarnessError(`no scenario is called ${name}\n${USAGE}`);
    return [scenario];
  });
  return [...new Set(scenarios)];
}

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      help: { type: 'boolean', short: 'h' },
      script: { type: 'string' },
      form: { type: 'string', default: 'standalone' },
      release: { type: 'string', default: RELEASES[0]?.name ?? '' },
      minutes: { type: 'string', default: '60' },
      results: { type: 'string' },
      refresh: { type: 'boolean' },
    },
  });
  if (values.help) {
    say(USAGE);
    return 0;
  }
  const { script } = values;
  if (script !== undefined && script !== 'stock' && script !== 'product')
    throw new HarnessError(`--script ${script}?\n${USAGE}`);
  const scenarios = chosen(positionals).map((scenario): Scenario => (script ? { ...scenario, script } : scenario));
  const form = FORMS.find((one) => one === values.form);
  if (form === undefined) throw new HarnessError(`--form ${values.form}?\n${USAGE}`);
  const releases = RELEASES.filter(({ name }) => [name, 'each'].includes(values.release));
  if (releases.length === 0) throw new HarnessError(`--release ${values.release}?\n${USAGE}`);
  for (const scenario of scenarios) {
    const missing = scenario.script === 'product' ? productMissing(scenario.form ?? form) : undefined;
    if (missing) throw new HarnessError(`${scenario.name}: the product is not built: ${missing}`);
  }

  const results = values.results ?? cachePath('last-run');
  rmSync(results, { recursive: true, force: true });
  const report = newReport(say);
  const finish = (): number => {
    mkdirSync(results, { recursive: true });
    report.write(results);
    const failed = report.checks.filter(({ ok }) => !ok).length;
    say(`results and logs: ${results}`);
    say(`${report.checks.length - failed} passed, ${failed} failed`);
    return failed ? 1 : 0;
  };
  setTimeout(() => {
    report.scenario('run').check(`ends within ${values.minutes} minutes`, false);
    process.exit(finish());
  }, Number(values.minutes) * 60_000);
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
    process.once(signal, () => {
      report.scenario('run').check(`is not interrupted by ${signal}`, false);
      process.exit(finish());
    });

  await requirePrograms(say);
  for (const release of releases) {
    if (values.refresh) forgetVersions(release);
    const begun = performance.now();
    const parts = await hostParts(release);
    const seconds = ((performance.now() - begun) / 1000).toFixed(0);
    say(`Xen host: ${parts.versions.join(', ')}; its parts are ready after ${seconds} s`);
    const several = releases.length > 1;
    const ofRelease = several
      ? { ...report, scenario: (name: string) => report.scenario(`${release.name} ${name}`) }
      : report;
    await play(scenarios, parts, form, ofRelease, several ? join(results, release.name) : results, say);
  }
  return finish();
}

main().then(
  (status) => process.exit(status),
  (error) => {
    console.error(error instanceof HarnessError ? `error: ${error.message}` : error);
    process.exit(2);
  },
);
