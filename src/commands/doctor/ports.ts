import { isGuestPort } from '../../net/vif-name.ts';
import { liveVifs } from '../../state/present-devices.ts';
import type { PortStatus } from '../status.ts';
import { isClosed, isOpen } from '../status-view.ts';
import type { Finding, Group, Look } from './finding.ts';

/** The ports of guests that run. */
export const portsOfGuests: Group = {
  name: 'ports of guests',
  async look(look) {
    const { ports } = await look.status();
    return [...ports.flatMap(stateOf), ...ports.flatMap(told), ...addressesOnPorts(look)];
  },
};

function stateOf(port: PortStatus): Finding[] {
  const { name, warnings, until, unfiltered, overdue } = port;
  const what = `${name}${port.guest?.name === undefined ? '' : ` of ${port.guest.name}`}`;
  const why = warnings[0] ?? '';
  switch (port.state) {
    case 'damaged':
      return [{ id: 'damaged', severity: 'error', what: `${what} is damaged`, why, fix: `vif-bridge reapply ${name}` }];
    case 'unmanaged':
    case 'exempt':
      return [
        {
          id: 'not-ours',
          severity: 'warning',
          what: isClosed(port) ? `${what} has no network` : `${what} was started without this program`,
          why,
          fix: `vif-bridge reapply ${name}`,
        },
      ];
    case 'managed':
      if (!isOpen(port)) return [];
      if (overdue !== undefined) {
        return [
          {
            id: 'overdue',
            severity: 'error',
            what: `${what} is still not filtered: mode = ${unfiltered} has ended at ${overdue}`,
            why: 'nobody has re-applied it since: vif-bridge-check.timer does, where it is enabled',
            fix: `vif-bridge reapply ${name}`,
          },
        ];
      }
      return [
        {
          id: 'open',
          severity: 'warning',
          what: `${what} is not filtered: mode = ${unfiltered}`,
          why: until === undefined ? 'it has no end (until =)' : `until ${until}`,
          fix: `mode = locked in the policy, then vif-bridge reapply ${name}`,
        },
      ];
    default:
      return port.state satisfies never;
  }
}

/** What `status` says loudly: two guests with one address, one that bears the gateway's, a policy that has changed. */
function told({ name, notes }: PortStatus): Finding[] {
  return notes
    .filter(({ loud }) => loud)
    .map(({ text }) => ({
      id: 'told',
      severity: 'warning',
      what: `${name}: ${text}`,
      why: 'docs/operations.md, "What you are told", says why of each',
      fix: `vif-bridge status ${name}`,
    }));
}

/** /proc/net/if_inet6: the name of the device is the last word. */
function addressesOnPorts({ host }: Look): Finding[] {
  // The router of its guest.
  const routed = new Set(
    liveVifs(host).flatMap(({ record, device }) => (record.routed === undefined ? [] : device.name)),
  );
  const names = host
    .netTable('if_inet6')
    .split('\n')
    .flatMap((line) => line.trim().split(/\s+/)[5] ?? []);
  return [...new Set(names.filter((name) => isGuestPort(name) && !routed.has(name)))].map((name) => ({
    id: 'dom0-address',
    severity: 'warning',
    what: `dom0 has an IPv6 address on ${name}`,
    why: 'the guest can talk to services of dom0 there, past the firewall of its bridge (OSSN-0069)',
    fix: `sysctl net.ipv6.conf.${name.replaceAll('.', '/')}.disable_ipv6=1; vif-bridge reapply ${name}`,
  }));
}
