import type { Host } from '../host.ts';
import type { EbtBackend, LeavingPort, NftBackend, PlannedPort } from './backend.ts';
import { currentBase, sentinelPrefix } from './base.ts';
import { ebtPorts } from './ebtables/ports.ts';
import type { EbtPort } from './ebtables/text.ts';

/** What a load would hand to which program; the text is complete, as if nothing of ours was there. */
export type RuleText = readonly [title: string, text: string];

/** The text that `loadPort` would load for this vif on a host that has no other. */
export function loadedText(host: Host, planned: PlannedPort): RuleText {
  const { backend } = host;
  if (backend.name === 'ebtables') return [title(backend), ebtablesText(host, backend, planned)];
  const base = backend.renderBase({
    sentinel: sentinel(host),
    unmanaged: host.policy.unmanaged,
    exempt: [],
    fresh: true,
  });
  return [title(backend), `${base}\n${backend.renderPort(planned, undefined)}`];
}

/** The text that takes a vif out. */
export function removedText(host: Host, leaving: LeavingPort): RuleText {
  const { backend } = host;
  if (backend.name === 'nftables') return [title(backend), backend.renderLeave(leaving, sentinel(host))];
  const ports = ebtPorts(host.state).all();
  const others = ports.filter((port) => port.device !== leaving.device);
  const stale = ports.find((port) => port.device === leaving.device)?.chains ?? [];
  return [title(backend), loadText(host, backend, others, [], stale)];
}

function title(backend: NftBackend | EbtBackend): string {
  return backend.name === 'nftables' ? 'nft -f -' : `${backend.tools.restore} --noflush`;
}

/** The sentinel's second half is drawn by chance when the base is made. */
function sentinel(host: Host): string {
  return currentBase(host)?.sentinel ?? `${sentinelPrefix(host)}00000000`;
}

function ebtablesText(host: Host, backend: EbtBackend, { port, plan }: PlannedPort): string {
  const compiled = backend.chainsOf(plan, host.policy);
  const chains = [...compiled['from-guest'].chains, ...compiled['to-guest'].chains];
  const own: EbtPort = {
    device: port.device,
    name: port.name,
    open: plan.terms.flags.includes('open'),
    chains: chains.map((chain) => chain.name),
  };
  const notes = backend.limits(plan, host.policy).map((limit) => `# ${limit.text}\n`);
  return notes.join('') + loadText(host, backend, [own], chains, []);
}

function loadText(
  host: Host,
  backend: EbtBackend,
  ports: readonly EbtPort[],
  chains: Parameters<EbtBackend['renderLoad']>[0]['chains'],
  stale: readonly string[],
): string {
  const jumps = currentBase(host) === undefined ? 0 : 1;
  return backend.renderLoad({
    ports,
    exempt: [],
    unmanaged: host.policy.unmanaged,
    chains,
    stale,
    jumps: () => jumps,
  });
}
