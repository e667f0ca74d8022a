import { withRules } from '../../backends/choice.ts';
import { asFailure } from '../../errors.ts';
import type { Finding, Group, Look } from './finding.ts';

/** What the kernel can do. */
export const kernel: Group = {
  name: 'the kernel',
  async look(look) {
    return [...(await packetFilter(look)), ...unlockedPorts(look)];
  },
};

/** A backend that works, and whether it sees everything. */
async function packetFilter({ host }: Look): Promise<Finding[]> {
  try {
    const { rules } = await withRules(host);
    if (rules.learns || host.policy.backend !== 'auto') return [];
    return [
      {
        id: 'backend-second',
        severity: 'warning',
        what: `backend = auto has taken ${rules.name}, because nft or its bridge family does not work here`,
        why: 'it cannot see every field: some of what a guest may send is closed, or named in ebtables_gaps not checked',
        fix: 'apt install nftables; modprobe nf_tables_bridge; then reboot, or stop all guests once',
      },
    ];
  } catch (error) {
    const { message, hint, code } = asFailure(error);
    if (code !== 'tool' && code !== 'not-installed') throw error;
    return [
      {
        id: 'no-packet-filter',
        severity: 'error',
        what: message,
        why: 'no guest of ours can be started',
        fix: hint ?? 'apt install nftables',
      },
    ];
  }
}

/** Linux 5.18 has BR_PORT_LOCKED. */
function unlockedPorts({ read }: Look): Finding[] {
  const release = read('/proc/sys/kernel/osrelease')?.trim() ?? '';
  const [major = 0, minor = 0] = release.split('.').map((part) => Number.parseInt(part, 10));
  if (release === '' || major > 5 || (major === 5 && minor >= 18)) return [];
  return [
    {
      id: 'kernel-old',
      severity: 'note',
      what: `the kernel is ${release}: its bridges have no locked ports (5.18)`,
      why: 'while the rules are flushed (nft flush ruleset), guests can use other MACs too, not only other addresses',
      fix: 'a later kernel; until then systemctl enable --now vif-bridge-check.timer',
    },
  ];
}
