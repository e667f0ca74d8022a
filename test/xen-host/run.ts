import { copyFileSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { cachePath } from './cache.ts';
import { HarnessError } from './command.ts';
import { readCorpus } from './corpus.ts';
import { type HostParts, hostParts } from './dom0-image.ts';
import { clearHost, useScript } from './network.ts';
import { forgetVersions } from './packages.ts';
import { newReport, type Report } from './report.ts';
import { requirePrograms } from './requirements.ts';
import { productMissing } from './run-drive.ts';
import { ALL, SMOKE } from './scenario/all.ts';
import type { Scenario } from './scenario.ts';
import { bootXenHost, type XenHost } from './xen-host.ts';

const USAGE = `usage: node --import tsx test/xen-host/run.ts [smoke|all|SCENARIO...] [options]
  smoke            ${SMOKE.map((s) => s.name).join(', ')} (default)
  SCENARIO         ${ALL.map((s) => s.name).join(', ')}
  --minutes N      end after this time (default 60)
  --results DIR    where results.tap, junit.xml and the host's logs go
  --refresh        take Debian's newest packages instead of those of the run before
exit status: 0 all passed, 1 a check failed, 2 the host could not be built or started`;

const say = (text: string): void => console.log(text);

function chosen(names: readonly string[]): readonly Scenario[] {
  if (names.length === 0 || names[0] === 'smoke') return SMOKE;
  if (names[0] === 'all') return ALL;
  return names.map((name) => {
    const scenario = ALL.find((s) => s.name === name);
    if (!scenario) throw new HarnessError(`no scenario is called ${name}\n${USAGE}`);
    return scenario;
  });
}

/** Brings the host's own logs out, as one archive: /var/log/xen, dmesg, rulesets. */
async function saveLogs(host: XenHost, folder: string, name: string): Promise<void> {
  const { stdout } = await host.run(
    `mkdir -p /tmp/logs; dmesg >/tmp/logs/dmesg; xl dmesg >/tmp/logs/xl-dmesg; nft list ruleset >/tmp/logs/ruleset.nft
     bridge -d link >/tmp/logs/bridge; xenstore-ls -f >/tmp/logs/xenstore
     tar -C / -cz tmp/logs var/log/xen | base64`,
    60,
  );
  writeFileSync(join(folder, `${name}.tgz`), Buffer.from(stdout, 'base64'));
}

/** Boots hosts as needed (a scenario can wreck one) and plays the scenarios one after the other. */
async function play(scenarios: readonly Scenario[], parts: HostParts, report: Report, results: string): Promise<void> {
  const corpus = readCorpus();
  let host: XenHost | undefined;
  let folder = '';
  const shutDown = async () => {
    await host?.stop();
    host = undefined;
    if (existsSync(join(folder, 'serial.log'))) copyFileSync(join(folder, 'serial.log'), join(results, 'serial.log'));
    rmSync(folder, { recursive: true, force: true });
  };
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
  try {
    for (const scenario of scenarios) {
      const record = report.scenario(scenario.name);
      const begun = performance.now();
      if (!host) {
        // QEMU's sockets need a short path.
        folder = mkdtempSync(join(tmpdir(), 'xen-host-'));
        host = await bootXenHost(parts, corpus, folder);
        say(`      host is up after ${((performance.now() - begun) / 1000).toFixed(0)} s`);
      }
      const current = host;
      const tooLong = new AbortController();
      try {
        await useScript(current, scenario.script);
        await Promise.race([
          scenario.play(current, record),
          new Promise((_, reject) => {
            const timer = setTimeout(
              () => reject(new HarnessError(`not at its end after ${scenario.minutes} minutes`)),
              scenario.minutes * 60_000,
            );
            tooLong.signal.addEventListener('abort', () => clearTimeout(timer));
          }),
        ]);
      } catch (error) {
        record.check(
          'the scenario comes to its end',
          false,
          error instanceof HarnessError ? error.message : String((error as Error).stack),
        );
      } finally {
        tooLong.abort();
      }
      await saveLogs(current, results, scenario.name).catch((error) => say(`      no logs: ${error}`));
      const cleared = await clearHost(current).then(
        () => true,
        (error) => say(`      ${error}`),
      );
      if (!cleared || !(await current.alive())) await shutDown();
      say(`      ${scenario.name}: ${((performance.now() - begun) / 1000).toFixed(0)} s`);
    }
  } finally {
    await shutDown();
  }
}

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      help: { type: 'boolean', short: 'h' },
      minutes: { type: 'string', default: '60' },
      results: { type: 'string' },
      refresh: { type: 'boolean' },
    },
  });
  if (values.help) {
    say(USAGE);
    return 0;
  }
  const scenarios = chosen(positionals);
  const missing = scenarios.some((s) => s.script === 'product') ? productMissing() : undefined;
  if (missing) throw new HarnessError(`the product is not built: ${missing}`);
  const results = values.results ?? cachePath('last-run');
  rmSync(results, { recursive: true, force: true });
  mkdirSync(results, { recursive: true });
  const report = newReport(say);
  const finish = (status: number): number => {
    report.write(results);
    const failed = report.checks.filter(({ ok }) => !ok).length;
    say(`results and logs: ${results}`);
    say(`${report.checks.length - failed} passed, ${failed} failed`);
    return failed ? 1 : status;
  };
  const limit = setTimeout(() => {
    report.scenario('run').check(`ends within ${values.minutes} minutes`, false);
    process.exit(finish(1));
  }, Number(values.minutes) * 60_000);
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, () => process.exit(finish(2)));
  await requirePrograms(say);
  if (values.refresh) forgetVersions();
  const begun = performance.now();
  const parts = await hostParts();
  say(`Xen host: ${parts.versions.join(', ')}`);
  say(`      parts are ready after ${((performance.now() - begun) / 1000).toFixed(0)} s`);
  await play(scenarios, parts, report, results);
  clearTimeout(limit);
  return finish(0);
}

main().then(
  (status) => process.exit(status),
  (error) => {
    console.error(error instanceof HarnessError ? `error: ${error.message}` : error);
    process.exit(2);
  },
);
