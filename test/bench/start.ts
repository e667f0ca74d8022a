import { copyFileSync, existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { programFile } from '../lab/program.ts';
import { runChecked } from '../lab/subprocess.ts';
import { openBenchHost } from './host.ts';
import type { Launchers } from './hotplug.ts';
import type { Ledger } from './series.ts';
import type { Job } from './stopwatch.ts';

/**
 * How long a run takes that does nothing (`--version`): by the launcher, without it, and with none of the program's
 * pages in the page cache. For that the runtimes are copied, so that no other process keeps their pages.
 */
export async function measureStart(plan: { launchers: Launchers; rounds: number }, ledger: Ledger): Promise<void> {
  const host = await openBenchHost(0);
  const folder = mkdtempSync(join(tmpdir(), 'xvb-cold-'));
  try {
    const jobs: { figure: string; subject: string; job: Job; evict?: readonly string[] }[] = [
      { figure: 'start', subject: 'sh -c :', job: { argv: ['/bin/sh', '-c', ':'], env: {} } },
      { figure: 'start', subject: 'bash -c :', job: { argv: ['/bin/bash', '-c', ':'], env: {} } },
    ].filter(({ job }) => existsSync(job.argv[0] ?? ''));
    for (const [form, launcher] of Object.entries(plan.launchers)) {
      jobs.push({ figure: 'start', subject: `${form}, by the launcher`, job: host.admin(launcher, ['--version']) });
      const program = form === 'node' ? process.execPath : programFile('standalone');
      const arguments_ = form === 'node' ? [programFile('node')] : [];
      jobs.push({ figure: 'start', subject: form, job: { argv: [program, ...arguments_, '--version'], env: {} } });
      const copy = join(folder, form);
      mkdirSync(copy);
      copyFileSync(program, join(copy, 'program'));
      if (form === 'node') copyFileSync(programFile('node'), join(copy, 'vif-bridge.cjs'));
      const files = [join(copy, 'program'), ...(form === 'node' ? [join(copy, 'vif-bridge.cjs')] : [])];
      const argv = [...files, '--version'];
      jobs.push({ figure: 'start', subject: `${form}, cold`, job: { argv, env: {} }, evict: files });
    }
    for (let round = -1; round < plan.rounds; round += 1) {
      for (const { figure, subject, job, evict } of jobs) {
        if (evict !== undefined) for (const file of evict) await forget(file);
        const lap = await host.stopwatch.time(job);
        if (round >= 0) ledger.add({ figure, subject, vifs: 0, unit: 'ms' }, lap.wall, lap.cpu);
      }
    }
  } finally {
    await host.remove();
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Takes a file out of the page cache: what dd does for `nocache` with nothing to copy (posix_fadvise, DONTNEED). */
async function forget(file: string): Promise<void> {
  await runChecked(['sync', file]);
  await runChecked(['dd', `if=${file}`, 'iflag=nocache', 'count=0', 'status=none']);
}
