import type { Form, Script } from './network.ts';
import type { Record } from './report.ts';
import type { XenHost } from './xen-host.ts';

/** One story on a Xen host. The host is empty when it begins (no guest, no bridge) and is emptied after it. */
export interface Scenario {
  readonly name: string;
  /** Which hotplug script xl runs by default when the story begins. */
  readonly script: Script;
  /** The form of the product, where it must be a certain one. */
  readonly form?: Form;
  /** It is ended as failed after this time. */
  readonly minutes: number;
  /** @param script the one in use: that of the scenario, unless the caller of the harness wants another */
  play(host: XenHost, record: Record, script: Script): Promise<void>;
}
