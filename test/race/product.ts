import { buildFleet, type Fleet, type Situation } from '../stress/fleet.ts';
import type { GuestVif } from '../stress/guest-vif.ts';
import type { BackendName } from '../stress/rounds.ts';
import type { Round } from './score.ts';

/** Rounds of the same load through our launcher: all vifs come at once, are looked at, and go at once. */
export interface ProductRounds {
  round(): Promise<Round>;
  end(): Promise<void>;
}

/** A dom0 with devices, xenstore and the program, as Xen runs it. */
export async function productRounds(backend: BackendName, vifs: readonly GuestVif[]): Promise<ProductRounds> {
  const cleanUps: (() => unknown)[] = [];
  const context = { name: `race ${backend}`, after: (cleanUp: () => unknown) => cleanUps.push(cleanUp) };
  const fleet = await buildFleet(context, backend, vifs);
  await fleet.learn();
  return {
    round: () => round(fleet, vifs),
    async end() {
      for (const cleanUp of cleanUps.reverse()) await cleanUp();
    },
  };
}

async function round(fleet: Fleet, vifs: readonly GuestVif[]): Promise<Round> {
  const started = performance.now();
  const results = await Promise.all(vifs.map((vif) => fleet.run('online', vif)));
  const seconds = (performance.now() - started) / 1000;
  const failed = results.filter((result) => result.status !== 0 || result.stderr !== '');
  const complaints = fleet.complaints();
  const wrong = await wrongVifs(fleet, vifs);
  const said = failed[0]?.stderr || complaints[0];
  for (const result of await Promise.all(vifs.map((vif) => fleet.run('offline', vif)))) {
    if (result.status !== 0 || result.stderr !== '') failed.push(result);
  }
  return { runs: vifs.length, errors: Math.max(failed.length, complaints.length), said, wrong, seconds };
}

/** Usually one look at everything; vif by vif only where something is wrong. */
async function wrongVifs(fleet: Fleet, vifs: readonly GuestVif[]): Promise<string[]> {
  if (await isRight(fleet, vifs)) return [];
  const wrong: string[] = [];
  for (const vif of vifs) {
    if (!(await isRight(fleet, [vif]))) wrong.push(vif.device);
  }
  return wrong;
}

async function isRight(fleet: Fleet, vifs: readonly GuestVif[]): Promise<boolean> {
  const expected = new Map(vifs.map((vif): [string, Situation] => [vif.device, 'on']));
  return fleet.check(expected, 'with all vifs').then(
    () => true,
    () => false,
  );
}
