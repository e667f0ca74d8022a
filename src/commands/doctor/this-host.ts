import { asFailure, failureLine } from '../../errors.ts';
import type { Finding, Group, Look } from './finding.ts';

/** A clock that is set by a second or two is nothing to speak of. */
const JUMP_MS = 60_000;

/** What a run needs of the host around it. */
export const thisHost: Group = {
  name: 'the host',
  async look(look) {
    return [...readOnlyProc(look), ...otherNetwork(look), ...(await xenstore(look)), ...clock(look), ...timer(look)];
  },
};

/** The last line of a mount point is what is seen there. */
function readOnlyProc({ read }: Look): Finding[] {
  const mounts = (read('/proc/mounts') ?? '').split('\n').map((line) => line.split(' '));
  const options = (point: string): string | undefined => mounts.findLast(([, where]) => where === point)?.[3];
  const seen = options('/proc/sys') ?? options('/proc') ?? '';
  if (!seen.split(',').includes('ro')) return [];
  return [
    {
      id: 'proc-read-only',
      severity: 'warning',
      what: '/proc/sys is read-only',
      why: 'IPv6 cannot be switched off on ports of guests: dom0 answers there',
      fix: 'mount -o remount,rw /proc/sys; in a container run it privileged',
    },
  ];
}

function otherNetwork({ host }: Look): Finding[] {
  if (host.showsThisNetwork()) return [];
  return [
    {
      id: 'other-network',
      severity: 'error',
      what: '/sys shows the devices of another network than the one of this run',
      why: 'every vif looks gone: repair and reapply --all refuse to work',
      fix: 'in a network namespace run it by ip netns exec; in a container mount /sys anew',
    },
  ];
}

async function xenstore({ host }: Look): Promise<Finding[]> {
  const silent = (why: string): Finding[] => [
    {
      id: 'xenstore-silent',
      severity: 'error',
      what: `xenstore does not answer: ${why}`,
      why: 'no guest can be started; running ones stay filtered, by what was saved of them',
      fix: 'systemctl status xenstored xen-init-dom0; a daemon that died needs a reboot',
    },
  ];
  try {
    const { status, stderr } = await host.run('xenstore-list', ['/'], { lockless: true, timeoutMs: 5_000 });
    return status === 0 ? [] : silent(stderr.trim());
  } catch (error) {
    return silent(failureLine(asFailure(error)));
  }
}

function clock({ host }: Look): Finding[] {
  const now = Date.parse(host.now());
  const later = host.state.allVifs().find(({ since, bootId }) => {
    return bootId === host.bootId() && Date.parse(since) > now + JUMP_MS;
  });
  if (later === undefined) return [];
  return [
    {
      id: 'clock-jumped',
      severity: 'warning',
      what: `${later.device} was configured at ${later.since}, which is still to come`,
      why: 'the clock was set back: until = of the policy ends later than meant, leases and logs have wrong times',
      fix: 'timedatectl; then vif-bridge reapply --all',
    },
  ];
}

const CHECK = 'vif-bridge-check.timer';

function timer({ list }: Look): Finding[] {
  if (list('/run/systemd/system').length === 0) return [];
  if (list('/etc/systemd/system/timers.target.wants').includes(CHECK)) return [];
  return [
    {
      id: 'no-timer',
      severity: 'note',
      what: `${CHECK} is not enabled`,
      why: 'after nft flush ruleset guests are not filtered until somebody says vif-bridge repair',
      fix: `systemctl enable --now ${CHECK}`,
    },
  ];
}
