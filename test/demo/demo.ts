/**
 * `npm start`: the program at work, on a bridge of its own that nobody else sees.
 *
 * A private network namespace with a bridge, two guests and a gateway; the launcher is run as xl runs it, with the real
 * xenstore tools against a small embedded xenstored. Then every frame of the corpus is sent and looked for.
 */
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import chalk from 'chalk';
import { type Bench, buildBench, fdb, waitForForwarding } from '../lab/bench.ts';
import { createNamespace, namespaceObstacle } from '../lab/namespace.ts';
import { vifBackend } from '../lab/vif-backend.ts';
import { openWire, type Wire } from '../lab/wire.ts';
import { startXenstored } from '../lab/xenstored.ts';
import { type CorpusFrame, corpus, GUESTS } from './guests.ts';

const LAUNCHER = new URL('../../xen-scripts/vif-bridge', import.meta.url).pathname;

interface Verdict {
  readonly frame: CorpusFrame;
  /** Who received it. */
  readonly arrived: readonly string[];
  readonly right: boolean;
}

/** A port as `status --json` shows it; only what is used here. */
interface Port {
  readonly name: string;
  readonly drops: readonly { readonly direction: string; readonly reason: string; readonly packets: number }[];
}

process.exitCode = await demonstrate();

async function demonstrate(): Promise<number> {
  const obstacle = namespaceObstacle() ?? missingTool();
  if (obstacle !== undefined) {
    console.error(`The demonstration cannot run: it ${obstacle}.`);
    console.error('What can be shown without: the rules, as text.\n');
    console.error('  vif=vif1.0 bridge=xenbr0 ip=192.0.2.10 mac=00:16:3e:00:00:01 bin/vif-bridge online --dry-run');
    return 1;
  }
  const ns = await createNamespace('demonstration');
  const state = mkdtempSync(join(tmpdir(), 'vif-bridge-demo-'));
  const store = await startXenstored({});
  try {
    const bench = await buildBench(ns);
    const common = { PATH: process.env.PATH ?? '', XENSTORED_PATH: store.socket, VIF_BRIDGE_STATE_DIR: state };
    console.log(chalk.bold('\nTwo guests come online, each as libxl starts the script:\n'));
    for (const guest of GUESTS) {
      const vif = `vif${guest.domid}.${guest.devid}`;
      await bench.addVif(vif);
      store.load(vifBackend({ ...guest, bridge: bench.bridge, script: LAUNCHER }));
      const path = `backend/vif/${guest.domid}/${guest.devid}`;
      const env = {
        ...common,
        XENBUS_PATH: path,
        XENBUS_TYPE: 'vif',
        XENBUS_BASE_PATH: 'backend',
        script: LAUNCHER,
        netdev: '',
        vif,
      };
      await ns.check([LAUNCHER, 'online', 'type_if=vif'], { env });
      await waitForForwarding(ns, vif);
      console.log(`  XENBUS_PATH=${path} vif=${vif} vif-bridge online type_if=vif`);
      console.log(
        chalk.dim(
          `    ip=${guest.ip} mac=${guest.mac}  ->  hotplug-status ${store.read(`/local/domain/0/${path}/hotplug-status`)}`,
        ),
      );
    }
    // An open port would let the bridge learn it; the gateway must be known for its frames to find the way.
    await ns.check(['bridge', 'fdb', 'replace', '02:00:00:00:00:fe', 'dev', bench.uplink, 'master', 'static']);

    const before = await entries(bench);
    const wire = await openWire(ns, Object.values(stations(bench)));
    const verdicts: Verdict[] = [];
    for (const frame of corpus()) verdicts.push(await tryFrame(wire, stations(bench), frame));
    await wire.exit();
    const moved = (await entries(bench)).filter((entry) => !before.includes(entry));

    printVerdicts(verdicts);
    const status = await ns.check([LAUNCHER, 'status', '--json'], { env: common });
    printDrops(JSON.parse(status) as Port[]);
    return printResult(verdicts, moved);
  } finally {
    await ns.remove();
    await store.stop();
    rmSync(state, { recursive: true, force: true });
  }
}

function stations(bench: Bench): Readonly<Record<CorpusFrame['sender'], string>> {
  return { A: 'guest1.0', V: 'guest2.0', G: bench.gateway, H: bench.bridge };
}

async function tryFrame(wire: Wire, at: Readonly<Record<string, string>>, frame: CorpusFrame): Promise<Verdict> {
  await wire.collect(0);
  await wire.send(at[frame.sender] ?? '', frame.hex);
  const seen = (await wire.collect()).filter((one) => one.hex.startsWith(frame.hex));
  const arrived = Object.keys(at).filter((who) => who !== frame.sender && seen.some((one) => one.iface === at[who]));
  const delivered = frame.direction === 'from-guest' ? arrived.length > 0 : arrived.includes('A');
  return { frame, arrived, right: delivered === (frame.expect === 'pass') };
}

/** The forwarding database, less what the bridge has of itself. */
async function entries(bench: Bench): Promise<string[]> {
  const all = await fdb(bench.ns, bench.bridge);
  return all.filter((entry) => entry.state !== 'permanent').map((entry) => `${entry.mac} on ${entry.dev}`);
}

function printVerdicts(verdicts: readonly Verdict[]): void {
  const names = { A: 'mallory (vif1.0)', V: 'victor (vif2.0)', G: 'the gateway', H: 'dom0' } as const;
  console.log(chalk.bold('\nFrames sent, by whom; expected; who received them:\n'));
  for (const { frame, arrived, right } of verdicts) {
    const seen = arrived.length === 0 ? 'nobody' : arrived.join(' ');
    const mark = right ? chalk.green('ok ') : chalk.red('BAD');
    console.log(
      `  ${mark} ${frame.id.padEnd(5)} ${names[frame.sender].padEnd(17)} ${frame.expect.padEnd(5)} ${seen.padEnd(7)} ${frame.name}`,
    );
  }
}

function printDrops(ports: readonly Port[]): void {
  console.log(chalk.bold('\nWhat the kernel dropped, by port and reason (vif-bridge status):\n'));
  for (const port of ports) {
    for (const drop of port.drops) {
      console.log(
        `  ${port.name.padEnd(7)} ${drop.direction.padEnd(11)} ${drop.reason.padEnd(15)} ${String(drop.packets).padStart(5)}`,
      );
    }
  }
}

function printResult(verdicts: readonly Verdict[], moved: readonly string[]): number {
  const wrong = verdicts.filter((verdict) => !verdict.right).length;
  const attacks = verdicts.filter((verdict) => verdict.frame.expect === 'drop');
  const stopped = attacks.filter((verdict) => verdict.right).length;
  const legitimate = verdicts.length - attacks.length;
  const delivered = verdicts.filter((verdict) => verdict.frame.expect === 'pass' && verdict.right).length;
  console.log(chalk.bold('\nResult\n'));
  console.log(`  attacks stopped               ${stopped} of ${attacks.length}`);
  console.log(`  legitimate frames delivered   ${delivered} of ${legitimate}`);
  console.log(`  addresses the bridge was made to learn   ${moved.length === 0 ? 'none' : moved.join(', ')}\n`);
  const good = wrong === 0 && moved.length === 0;
  console.log(good ? chalk.green('  All as it should be.\n') : chalk.red('  NOT as it should be.\n'));
  return good ? 0 : 1;
}

function missingTool(): string | undefined {
  const where = `${process.env.PATH ?? ''}:/usr/sbin:/sbin`.split(':');
  const absent = ['nft', 'ip', 'bridge', 'flock', 'xenstore-ls', 'gcc'].find(
    (tool) => !where.some((directory) => existsSync(join(directory, tool))),
  );
  return absent === undefined ? undefined : `needs ${absent}`;
}
