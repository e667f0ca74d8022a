import type { PlannedPort, WishedRules } from '../../backends/backend.ts';
import type { Managed } from '../../backends/choice.ts';
import { asFailure, Failure } from '../../errors.ts';
import type { LiveVif } from '../../state/present-devices.ts';
import { plannedPort } from '../../vif/record.ts';
import type { Source } from '../../vif/source.ts';
import { recognise } from '../reapply.ts';

/** A vif with what it is to be by policy and xenstore of now. */
export interface Compared<Wanted> {
  readonly live: LiveVif;
  readonly wanted: Wanted | Failure;
}

/** @param planned what one is to become; where that is not known, why */
export async function comparedVifs<Wanted>(
  vifs: readonly LiveVif[],
  source: Promise<Source>,
  planned: (one: Awaited<ReturnType<typeof recognise>>) => Wanted | Promise<Wanted>,
): Promise<Compared<Wanted>[]> {
  const known = await source;
  return Promise.all(
    vifs.map(async (live): Promise<Compared<Wanted>> => {
      const { record } = live;
      try {
        return { live, wanted: await planned(await recognise({ device: record.device, record }, known)) };
      } catch (error) {
        return { live, wanted: asFailure(error) };
      }
    }),
  );
}

/** What the packet filter is to hold of them. @param all they are all there are */
export function wishedRules(
  host: Managed,
  compared: readonly Compared<{ readonly prepared: Parameters<typeof plannedPort>[1] }>[],
  all: boolean,
): WishedRules {
  const planned = compared.flatMap(({ live, wanted }): PlannedPort[] =>
    wanted instanceof Failure ? [] : [plannedPort(host, wanted.prepared, live.record)],
  );
  // Whose plan is not known, of those nothing is foreign.
  return { planned, all: all && planned.length === compared.length };
}
