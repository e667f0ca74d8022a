import { release } from 'node:os';
import { withRules } from '../backends/choice.ts';
import { allForward, type BridgeLike, bridgeLike, buildBench, ENDS, VIFS } from '../commands/self-test/bench.ts';
import { STATION_NAMES, STATIONS, type Station, shippedCorpus } from '../commands/self-test/corpus.ts';
import { reportStatus, reportText, type SelfTestReport } from '../commands/self-test/report.ts';
import { score } from '../commands/self-test/score.ts';
import { isNotInstalled, toolFailure } from '../effects/exec.ts';
import { SAID } from '../effects/launcher.ts';
import { hostFiles } from '../effects/look-file.ts';
import { exchange } from '../effects/packet-wire.ts';
import { Failure } from '../errors.ts';
import type { Host } from '../host.ts';
import { array, count, object, oneOf, parsedBy, type Reader, readJson, string, text } from '../json/reader.ts';
import { jsonText } from '../json/writer.ts';
import { parseInterfaceName } from '../net/interface-name.ts';
import { type Environment, type RunOptions, runHotplug } from '../run.ts';
import type { CommonOptions, End } from './common.ts';
import { whileWorking } from './progress.ts';

export interface SelfTestOptions extends CommonOptions {
  readonly bridge?: string;
  /** This process is in a network of its own already: what to make the bridge like, as JSON. */
  readonly inside?: string;
}

/** In the private network: state of its own, which is gone with it. */
const PRIVATE_STATE = '/run/xen-vif-bridge-self-test';
/** Where Xen's hooks are. */
const HOOKS = '/etc/xen/scripts/vif-post.d';
const MOST_MS = 120_000;

/**
 * The corpus through a private bridge. It is another run of this program, in a network and mounts of its own that end
 * with the process: whatever happens to it, nothing is left behind.
 */
export async function runSelfTest(host: Host, options: SelfTestOptions, env: Environment, end: End): Promise<void> {
  if (options.inside !== undefined) {
    const like = readJson(options.inside, BRIDGE_LIKE, { at: '--inside' });
    process.stdout.write(jsonText(await inside(host, like, options, env)));
    return;
  }
  if (process.getuid?.() !== 0) {
    throw new Failure('input', 'a private network needs root', { hint: 'run it as root' });
  }
  const wanted = options.bridge === undefined ? undefined : parseInterfaceName(options.bridge, '--bridge');
  const like = bridgeLike(host, hostFiles, wanted);
  const args = [
    // This process is what the launcher is to others: when it is killed, the private one ends at once.
    ...['--net', '--mount', '--', 'env', `VIF_BRIDGE_LAUNCHER=${process.pid}`],
    ...[...self(), 'self-test', '--inside', JSON.stringify(like)],
    ...(options.config === undefined ? [] : ['--config', options.config]),
  ];
  const result = await whileWorking(process.stderr, 'sending the corpus through a private bridge', () =>
    host.run('unshare', args, { lockless: true, timeoutMs: MOST_MS }),
  );
  if (result.status !== SAID) throw toolFailure('unshare', ['--net', '--mount', 'vif-bridge', 'self-test'], result);
  const report = readJson(result.stdout, REPORT, { at: 'what the private run has said' });
  process.stdout.write(options.json === true ? jsonText(report) : reportText(report, process.stdout.isTTY === true));
  end(reportStatus(report));
}

/** How this program is run: the executable is its own program, Node is given it as its first argument. */
function self(): string[] {
  if (process.versions.bun !== undefined) return [process.execPath];
  return [process.execPath, process.argv[1] ?? ''];
}

/** The test itself, in a network and mounts of this process's own. */
async function inside(host: Host, like: BridgeLike, options: RunOptions, env: Environment): Promise<SelfTestReport> {
  await ownMounts(host);
  await buildBench(host, like);
  const own = { ...env, VIF_BRIDGE_STATE_DIR: PRIVATE_STATE, XENSTORED_PATH: undefined };
  for (const who of ['A', 'V'] as const) {
    const { mac, ip } = STATIONS[who];
    await runHotplug('online', [`vif=${VIFS[who]}`, `mac=${mac}`, `ip=${ip}`, `bridge=${like.name}`], options, own);
  }
  await allForward(hostFiles);
  const devices: Readonly<Record<Station, string>> = { ...ENDS, H: like.name };
  const frames = shippedCorpus();
  const hello = {
    device: devices.G,
    hex: `${'ff'.repeat(6)}${STATIONS.G.mac.replaceAll(':', '')}88b5${'00'.repeat(46)}`,
  };
  const heard = await exchange(host.run, Object.values(devices), [
    // So that the bridge knows where the gateway is.
    hello,
    ...frames.map(({ sender, hex }) => ({ device: devices[sender], hex })),
  ]);
  const stations = new Map(STATION_NAMES.map((who) => [devices[who], who]));
  const { rules } = await withRules(host);
  return {
    kernel: release(),
    tools: await nftVersion(host),
    backend: rules.name,
    bridge: like.name,
    classes: score(
      frames,
      heard.flatMap(({ device, hex }) => {
        const who = stations.get(device);
        return who === undefined ? [] : [{ who, hex }];
      }),
    ),
  };
}

/**
 * /sys of this network; a /run without xenstore, locks and state of the host; and no hooks of the admin: they know
 * nothing of guests that are none.
 */
async function ownMounts(host: Host): Promise<void> {
  const mounts = [
    ['sysfs', '/sys'],
    ['tmpfs', '/run'],
    ...(hostFiles.list(HOOKS).length === 0 ? [] : [['tmpfs', HOOKS]]),
  ];
  for (const [type = '', where = ''] of mounts) {
    const args = ['-t', type, type, where];
    const result = await host.run('mount', args, { lockless: true });
    if (result.status !== 0) throw toolFailure('mount', args, result);
  }
}

async function nftVersion({ run }: Host): Promise<string> {
  try {
    return (await run('nft', ['--version'], { lockless: true })).stdout.trim();
  } catch (error) {
    if (isNotInstalled(error)) return '';
    throw error;
  }
}

const BRIDGE_LIKE: Reader<BridgeLike> = object((get) => ({
  name: get('name', parsedBy(parseInterfaceName)),
  settings: get('settings', array(text(/^[a-z0-9_]+$/, 'a setting of a bridge'))),
}));

const WHO = oneOf(...STATION_NAMES);
const REPORT: Reader<SelfTestReport> = object((get) => ({
  kernel: get('kernel', string),
  tools: get('tools', string),
  backend: get('backend', string),
  bridge: get('bridge', string),
  classes: get(
    'classes',
    array(
      object((one) => ({
        kind: one('kind', string),
        frames: one('frames', count),
        right: one('right', count),
        wrong: one(
          'wrong',
          array(
            object((wrong) => ({
              id: wrong('id', string),
              name: wrong('name', string),
              direction: wrong('direction', oneOf('from-guest', 'to-guest')),
              expect: wrong('expect', oneOf('pass', 'drop')),
              who: wrong('who', array(WHO)),
            })),
          ),
        ),
      })),
    ),
  ),
}));
