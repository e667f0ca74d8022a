import { Failure } from '../errors.ts';
import type { Host } from '../host.ts';
import type { WishedPort } from '../port/wished-port.ts';

/**
 * The last look before Xen is told that the guest is connected: between the steps of a run somebody may have renamed
 * the port, taken it off its bridge, put it down, or made the bridge anew (networkd, ifupdown, an admin). It costs no
 * process, and what filters does not depend on it.
 *
 * @param bridge undefined for a vif that is routed, and so on none
 * @throws Failure `missing` naming what is not as it was made
 */
export function lookOnceMore(
  host: Pick<Host, 'readDevice'>,
  { name, bridge, group }: Pick<WishedPort, 'name' | 'group'> & { readonly bridge: string | undefined },
  ifindex: number,
): void {
  const now = host.readDevice(name);
  const wrong = ((): string | undefined => {
    if (now === undefined || now.ifindex !== ifindex) return 'is gone, or has another name';
    if (now.master !== bridge) {
      return `is on ${now.master ?? 'no bridge'}${bridge === undefined ? '' : `, not on ${bridge}`}`;
    }
    if (!now.up) return 'is down';
    return now.group === group ? undefined : `is in the interface group ${now.group}`;
  })();
  if (wrong === undefined) return;
  throw new Failure('missing', `somebody has changed ${name} while it was configured: it ${wrong}`, {
    hint: 'keep networkd, ifupdown and scripts away from the ports of guests',
  });
}
