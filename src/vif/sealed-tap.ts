import { type BatchLine, runBatch } from '../effects/batch.ts';
import { toolFailure } from '../effects/exec.ts';
import { Failure, failureLine } from '../errors.ts';
import { NO_GATEWAYS } from '../filter/gateways.ts';
import { buildPlan, isUnbound } from '../filter/plan.ts';
import type { Host } from '../host.ts';
import { INTERFACE_NAME_MAX, type InterfaceName } from '../net/interface-name.ts';
import { withAddresses } from '../policy/address-change.ts';
import type { VifPolicy } from '../policy/policy.ts';
import { resolvePolicy } from '../policy/resolve-policy.ts';
import { bridgeIfAny } from '../port/bridge.ts';
import {
  enclosingLines,
  openingLines,
  redirectLines,
  type TapSeal,
  tapSeal,
  unsealingLines,
} from '../port/tap-seal.ts';
import type { VifIdentity } from '../xen/vif-identity.ts';

/** `vnet_header` of the policy. */
type Wish = VifPolicy['vnet_header'];

type SealHost = Pick<
  Host,
  'run' | 'readDevice' | 'deviceNames' | 'hasVnetHeader' | 'disableIpv6' | 'transmitChecksum' | 'policy' | 'log' | 'now'
>;

const TOOL_MS = 5_000;
const WAY_OUT =
  'vnet_header = allow in the policy leaves it as it is, which is safe only for guests without a virtio card (model=e1000)';
const UNSEALED =
  'a guest with a virtio card (model=virtio-net) can write 16 bits into each of its frames behind the filter';

/** What is there of a tap and of what finishes its frames. */
interface Parts {
  readonly seal: TapSeal;
  /** The name of the tap if it is not behind its port. */
  readonly tap: InterfaceName | undefined;
  /** The tap is behind its port. */
  readonly raw: boolean;
  readonly pair: boolean;
}

/** @returns undefined for a tap that needs nothing of this, or is not there yet */
function partsOf(
  host: Pick<Host, 'readDevice' | 'hasVnetHeader'>,
  { device: port, name }: VifIdentity,
): Parts | undefined {
  const tap = [port, name].find((one) => host.hasVnetHeader(one));
  const seal = tapSeal(port);
  if (seal === undefined) {
    if (tap === undefined) return undefined;
    throw new Failure('input', `${port} has a vnet header, and its name leaves no room for ${port}-raw`, {
      hint: `at most ${INTERFACE_NAME_MAX - '-raw'.length} characters`,
    });
  }
  const [raw, pair] = [host.hasVnetHeader(seal.raw), host.readDevice(seal.sum) !== undefined];
  return tap === undefined && !raw && !pair ? undefined : { seal, tap, raw, pair };
}

/**
 * Takes a tap whose guest may leave checksums to the kernel off its place and puts the end of a veth pair there
 * (port/tap-seal.ts). Also completes what a killed run began, and renews what somebody took away. A tap without such a
 * header is left alone.
 *
 * In every order of its steps a killed run leaves the guest closed: the tap comes up last.
 *
 * @returns false if there is no such tap, or no tap at all yet
 * @throws Failure `input` if the policy wants such taps refused, `missing` if the device model has ended, `tool`
 */
export async function sealTap(host: SealHost, vif: VifIdentity): Promise<boolean> {
  const parts = vif.type === 'tap' ? partsOf(host, vif) : undefined;
  if (parts === undefined) return false;
  const { seal, tap, raw, pair } = parts;
  if (tap !== undefined && !isToBeSealed(host, vif, tap)) return true;
  if (tap === undefined && !raw) {
    throw new Failure('missing', `${seal.raw}, the tap behind ${vif.device}, is gone`, {
      hint: `the device model has ended; vif-bridge remove type_if=tap INTERFACE=${vif.device} takes away what is left`,
    });
  }
  await runLines(host, 'ip', enclosingLines(seal, tap, !pair));
  for (const name of [seal.raw, seal.sum]) host.disableIpv6(name);
  await finishSums(host, seal.sum);
  await runLines(host, 'tc', redirectLines(seal));
  await runLines(host, 'ip', openingLines(seal));
  return true;
}

/** What the policy says of a tap with such a header. */
function isToBeSealed(host: SealHost, vif: VifIdentity, tap: InterfaceName): boolean {
  const wish = wishOf(host, vif);
  switch (wish) {
    case undefined:
      return false;
    case 'finish':
      return true;
    case 'allow':
      host.log.say('warning', `${tap}: ${UNSEALED} (vnet_header = allow)`);
      return false;
    case 'refuse':
      throw new Failure('input', `${tap} has a vnet header: ${UNSEALED}`, {
        at: 'vnet_header = refuse',
        hint: WAY_OUT,
      });
    default:
      return wish satisfies never;
  }
}

/** What the policy wants of such a tap; undefined for a vif that may send what it wants, and so needs no detour. */
function wishOf(host: Pick<Host, 'policy' | 'readDevice' | 'deviceNames' | 'now'>, vif: VifIdentity): Wish | undefined {
  const bridge = bridgeIfAny(vif.bridge, host.readDevice, host.deviceNames)?.name ?? vif.bridge;
  const own = resolvePolicy(host.policy, { ...vif, bridge }, host.now());
  return isUnbound(buildPlan(withAddresses(vif, own), { ...own, gateways: NO_GATEWAYS }, []))
    ? undefined
    : own.vnet_header;
}

async function runLines(host: SealHost, tool: 'ip' | 'tc', lines: readonly BatchLine[]): Promise<void> {
  for (const lost of await attempt(() => runBatch(host.run, tool, lines))) host.log.say('warning', lost);
}

/** Nothing that leaves the device may have a checksum that is still to be written. */
async function finishSums(host: SealHost, device: InterfaceName): Promise<void> {
  if ((await host.transmitChecksum?.(device, true)) === false) return;
  const args = ethtoolArguments(device);
  await attempt(async () => {
    const result = await host.run('ethtool', args, { timeoutMs: TOOL_MS });
    if (result.status !== 0) throw toolFailure('ethtool', args, result);
  });
}

function ethtoolArguments(device: InterfaceName): string[] {
  return ['-K', device, 'tx', 'off'];
}

/** A failure also says how to go on without this. */
async function attempt<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof Failure) || (error.code !== 'tool' && error.code !== 'not-installed')) throw error;
    throw new Failure(error.code, `a tap with a vnet header cannot be filtered: ${failureLine(error)}`, {
      hint: WAY_OUT,
    });
  }
}

/** What `sealTap` would run, as text: each program with its input. Empty for a tap that is no port of such a guest. */
export function sealingText(
  host: Pick<Host, 'readDevice' | 'deviceNames' | 'hasVnetHeader' | 'policy' | 'now'>,
  vif: VifIdentity,
): [string, string][] {
  const parts = vif.type === 'tap' ? partsOf(host, vif) : undefined;
  if (parts === undefined) return [];
  if (parts.tap !== undefined && wishOf(host, vif) !== 'finish') return [];
  const { seal, tap, pair } = parts;
  const text = (lines: readonly BatchLine[]): string => lines.map((line) => `${line.text}\n`).join('');
  return [
    ['ip -batch -', text(enclosingLines(seal, tap, !pair))],
    ['ethtool', ethtoolArguments(seal.sum).join(' ')],
    ['tc -batch -', text(redirectLines(seal))],
    ['ip -batch -', text(openingLines(seal))],
  ];
}

/** What `remove` is to do besides: the tap may be gone already, with its device model, or be there still. */
export function unsealing(host: Pick<Host, 'readDevice'>, port: InterfaceName): BatchLine[] {
  const seal = tapSeal(port);
  if (seal === undefined) return [];
  const there = [seal.raw, seal.sum].some((name) => host.readDevice(name) !== undefined);
  return there ? unsealingLines(seal) : [];
}

/** A tap as `status` has it. */
export interface TapPort {
  readonly vif: VifIdentity;
  /** The name of the port now. */
  readonly name: string;
}

/** What is wrong with a tap, in words. */
export interface Unsealed {
  /** False where the policy allows it. */
  readonly damaged: boolean;
  readonly text: string;
}

/**
 * Looks whether the frames of taps are finished before the filter: one program for all that are sealed, and one for
 * each.
 *
 * @returns those of which it is not so, by their device
 */
export async function unsealedTaps(host: SealHost, taps: readonly TapPort[]): Promise<Map<string, Unsealed>> {
  const wrong = new Map<string, Unsealed>();
  const sealed: TapSeal[] = [];
  for (const { vif, name } of taps) {
    const { device } = vif;
    const seal = tapSeal(device);
    if (host.hasVnetHeader(name)) {
      const wish = wishOf(host, vif);
      if (wish === undefined) continue;
      const allowed = wish === 'allow';
      const more = allowed ? ': vnet_header = allow' : `; repair with: vif-bridge reapply ${device}`;
      wrong.set(device, { damaged: !allowed, text: UNSEALED + more });
    } else if (seal !== undefined && unsealing(host, device).length > 0) sealed.push(seal);
  }
  const targets = await redirectTargets(host, sealed);
  for (const { port, raw, sum } of sealed) {
    const inPlace = [raw, sum].every((name) => host.readDevice(name)?.up === true && targets.has(name));
    if (inPlace && (await leavesNoSum(host, sum))) continue;
    const text = `what finishes its frames (${raw}, ${sum}) is not as it was made; repair with: vif-bridge reapply ${port}`;
    wrong.set(port, { damaged: true, text });
  }
  return wrong;
}

/** The devices to which all frames of another one are redirected; a target that is gone has no name. */
async function redirectTargets(host: SealHost, seals: readonly TapSeal[]): Promise<Set<string>> {
  if (seals.length === 0) return new Set();
  const input = seals
    .flatMap(({ raw, sum }) => [raw, sum])
    .map((name) => `filter show dev ${name} ingress pref 1\n`)
    .join('');
  const { stdout } = await host.run('tc', ['-force', '-batch', '-'], { input, timeoutMs: TOOL_MS });
  const everything =
    /match 00000000\/00000000 at -12\s+action order 1: mirred \(Egress Redirect to device (\S+)\) stolen/g;
  return new Set([...stdout.matchAll(everything)].map((match) => match[1] ?? ''));
}

async function leavesNoSum(host: SealHost, device: InterfaceName): Promise<boolean> {
  const leaves = await host.transmitChecksum?.(device, false);
  if (leaves !== undefined) return !leaves;
  const { stdout } = await host.run('ethtool', ['-k', device], { timeoutMs: TOOL_MS });
  return /^tx-checksumming: off/m.test(stdout);
}
