import { copyFileSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { HarnessError } from './command.ts';
import { readCorpus } from './corpus.ts';
import type { HostParts } from './dom0-image.ts';
import { hostFeatures } from './features.ts';
import { clearHost, type Form, useScript } from './network.ts';
import type { Report } from './report.ts';
import type { Scenario } from './scenario.ts';
import { type BootedHost, bootXenHost, type XenHost } from './xen-host.ts';

/** Brings the host's own logs out, as one archive: /var/log/xen, dmesg, rulesets, xenstore. */
async function saveLogs(host: BootedHost, folder: string, name: string): Promise<void> {
  const { stdout } = await host.run(
    `mkdir -p /tmp/logs; dmesg >/tmp/logs/dmesg; xl dmesg >/tmp/logs/xl-dmesg; nft list ruleset >/tmp/logs/ruleset.nft
     bridge -d link >/tmp/logs/bridge; xenstore-ls -f >/tmp/logs/xenstore
     tar -C / -cz tmp/logs var/log/xen | base64`,
    60,
  );
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, `${name}.tgz`), Buffer.from(stdout, 'base64'));
}

/** The scenario to its end, or to the end of its time. What goes wrong becomes a failed check. */
async function playOne(scenario: Scenario, host: XenHost, report: Report): Promise<void> {
  const record = report.scenario(scenario.name);
  const over = new AbortController();
  try {
    await useScript(host, scenario.script);
    await Promise.race([
      scenario.play(host, record, scenario.script),
      sleep(scenario.minutes * 60_000, undefined, { signal: over.signal }).then(() => {
        throw new HarnessError(`not at its end after ${scenario.minutes} minutes`);
      }),
    ]);
  } catch (error) {
    const text = error instanceof HarnessError ? error.message : String((error as Error).stack);
    record.check('the scenario comes to its end', false, text);
  } finally {
    over.abort();
  }
}

/**
 * Plays scenarios one after the other on one host; a host that a scenario wrecked is replaced by a new one.
 * @param form of the product, for scenarios that do not name one
 * @param results folder for each scenario's archive of logs and for the serial console's log
 * @param say prints a line of progress
 */
export async function play(
  scenarios: readonly Scenario[],
  parts: HostParts,
  form: Form,
  report: Report,
  results: string,
  say: (text: string) => void,
): Promise<void> {
  const corpus = readCorpus();
  let host: BootedHost | undefined;
  let folder = '';
  let boots = 0;
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
  const shutDown = async () => {
    await host?.stop();
    host = undefined;
    mkdirSync(results, { recursive: true });
    const serial = join(folder, 'serial.log');
    boots++;
    if (existsSync(serial)) copyFileSync(serial, join(results, `serial-${boots}.log`));
    rmSync(folder, { recursive: true, force: true });
  };
  try {
    for (const scenario of scenarios) {
      const begun = performance.now();
      const seconds = () => ((performance.now() - begun) / 1000).toFixed(0);
      if (!host) {
        // QEMU's sockets need a short path.
        folder = mkdtempSync(join(tmpdir(), 'xen-host-'));
        host = await bootXenHost(parts, corpus, folder);
        say(`      host is up after ${seconds()} s`);
        report.scenario('host').note(await hostFeatures(host));
      }
      const current = host;
      await playOne(scenario, { ...current, form: scenario.form ?? form }, report);
      await saveLogs(current, results, scenario.name).catch((error) => say(`      no logs: ${error}`));
      const cleared = await clearHost(current).then(
        () => true,
        (error) => say(`      ${error}`),
      );
      if (!cleared || !(await current.alive())) await shutDown();
      say(`      ${scenario.name}: ${seconds()} s in all`);
    }
  } finally {
    await shutDown();
  }
}
