import type { Host } from '../host.ts';
import { families, type Surroundings } from './metrics/families.ts';
import { openMetrics } from './metrics/open-metrics.ts';
import { hostStatus } from './status.ts';

/** This host for Prometheus, as text: see metrics/families.ts. It changes nothing. */
export async function metrics(host: Host, surroundings: Surroundings): Promise<string> {
  return openMetrics(families(await hostStatus(host, undefined), surroundings));
}
