import type { BaseChain } from '../../backends/nftables/base-chains.ts';
import { liveVifs } from '../../state/present-devices.ts';
import { leftToHost } from '../../vif/host-accept.ts';
import type { Finding, Group, Look } from './finding.ts';

/** Of bridges, of routed vifs, and for the moment in which neighbours are told of one. */
const OURS = /^xen-vif(?:-route|-announce-.*)?$/;
/** The families in which frames of bridges come by. */
const OF_FRAMES = ['bridge', 'netdev'];
/** The families in which packets come by, and bridged ones too where br_netfilter hands them over. */
const OF_PACKETS = ['ip', 'ip6', 'inet'];
/** Its chain FORWARD is where `host_accept` puts an accept. */
const IPTABLES = { table: 'filter', name: 'FORWARD', families: ['ip', 'ip6'] } as const;

/** Who else filters what guests send. */
export const otherFilters: Group = {
  name: 'other packet filters',
  look: async (look) => [
    ...(await othersThatDrop(look)),
    ...seen((await framesOf(look)).filter(({ policy }) => policy !== 'drop')),
    ...(await leftToOthers(look)),
    ...(await leftToNft(look)),
  ],
};

/** Who drops what guests send, whatever ours say; no look at any vif. */
export async function othersThatDrop(look: Look): Promise<Finding[]> {
  const others = await chainsOfOthers(look);
  return [
    ...(await framesOf(look)).filter(({ policy }) => policy === 'drop').map(dropsFrames),
    ...(look.bridgedToIptables() ? others.filter(dropsForwarded).map(dropsPackets) : []),
    ...acceptedNowhere(look, others),
  ];
}

async function chainsOfOthers(look: Look): Promise<BaseChain[]> {
  return (await look.chains()).filter(({ table }) => !OURS.test(table));
}

async function framesOf(look: Look): Promise<BaseChain[]> {
  return (await chainsOfOthers(look)).filter(({ family }) => OF_FRAMES.includes(family));
}

function named({ family, table, name, hook }: BaseChain): string {
  return `table ${family} ${table}, chain ${name} (${hook})`;
}

function dropsFrames(chain: BaseChain): Finding {
  return {
    id: 'frames-dropped',
    severity: 'warning',
    what: `${named(chain)} drops every frame that none of its rules accepts`,
    why: 'an accept of ours cannot undo that: guests are cut off unless that table lets their frames pass',
    fix: `nft list table ${chain.family} ${chain.table}, and let vif* pass there`,
  };
}

function seen(chains: readonly BaseChain[]): Finding[] {
  if (chains.length === 0) return [];
  const [first] = chains;
  return [
    {
      id: 'frames-filtered',
      severity: 'note',
      what: `frames pass other rules too: ${chains.map(named).join('; ')}`,
      why: 'what they drop is in no counter of ours',
      fix: `nft list table ${first?.family} ${first?.table}`,
    },
  ];
}

function isIptables({ family, table, name }: BaseChain): boolean {
  return table === IPTABLES.table && name === IPTABLES.name && IPTABLES.families.some((one) => one === family);
}

function dropsForwarded(chain: BaseChain): boolean {
  return OF_PACKETS.includes(chain.family) && chain.hook === 'forward' && chain.policy === 'drop' && !isIptables(chain);
}

function dropsPackets(chain: BaseChain): Finding {
  return {
    id: 'packets-dropped',
    severity: 'error',
    what: `${named(chain)} drops what is forwarded, and bridged packets pass it (bridge-nf-call-iptables = 1)`,
    why: 'guests are silent: host_accept only reaches the FORWARD chain of iptables',
    fix: 'sysctl net.bridge.bridge-nf-call-iptables=0 net.bridge.bridge-nf-call-ip6tables=0',
  };
}

/** iptables that drops, while nobody puts an accept there. */
function acceptedNowhere(look: Look, chains: readonly BaseChain[]): Finding[] {
  const drops = chains.filter((chain) => isIptables(chain) && chain.policy === 'drop');
  if (drops.length === 0 || !look.bridgedToIptables() || look.host.policy.host_accept !== 'no') return [];
  return [
    {
      id: 'forward-drops',
      severity: 'error',
      what: 'bridged packets pass the FORWARD chain of iptables, which drops, and host_accept = no',
      why: 'guests are silent (Docker in dom0 sets it to drop)',
      fix: 'host_accept = auto in the policy, then vif-bridge reapply --all',
    },
  ];
}

/** A firewall of the host's own for what it routes: nobody opens it for guests unless told. */
async function leftToOthers({ host }: Look): Promise<Finding[]> {
  const filters = await leftToHost(
    host,
    liveVifs(host).map(({ record }) => record),
  );
  if (filters.length === 0) return [];
  return [
    {
      id: 'forward-own',
      severity: 'note',
      what: `routed guests pass the chain FORWARD of ${filters.join(', ')} by its own rules alone, and it drops the rest`,
      why:
        host.policy.host_accept === 'no'
          ? 'host_accept = no'
          : 'host_accept = auto opens it only where Docker alone has made it drop',
      fix: 'rules there for what guests may, or host_accept = yes in the policy, then vif-bridge reapply --all',
    },
  ];
}

/** The same in the words of nft, where no `host_accept` reaches. */
async function leftToNft(look: Look): Promise<Finding[]> {
  if (liveVifs(look.host).every(({ record }) => record.routed === undefined)) return [];
  return (await chainsOfOthers(look)).filter(dropsForwarded).map((chain) => ({
    id: 'routed-own',
    severity: 'note',
    what: `routed guests pass ${named(chain)} by its own rules alone, and it drops the rest`,
    why: 'an accept of ours cannot undo that, and host_accept only reaches the FORWARD chain of iptables',
    fix: `nft list table ${chain.family} ${chain.table}, and there rules for what guests may: iifname "vif*", oifname "vif*"`,
  }));
}
