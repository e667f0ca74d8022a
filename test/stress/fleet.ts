import assert from 'node:assert/strict';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Bench, buildBench } from '../lab/bench.ts';
import { createNamespace, type Namespace } from '../lab/namespace.ts';
import { PLAIN_ENV, type RunResult } from '../lab/subprocess.ts';
import { startXenstored, type Xenstored } from '../lab/xenstored.ts';
import { type GuestVif, scriptOf, xenstoreKeys } from './guest-vif.ts';
import { differences, type HostPicture, takePicture } from './host-picture.ts';
import { ROUTING } from './lanes.ts';
import { type Form, LAUNCHER } from './rounds.ts';

/** `off`: the device is there and nothing else; `gone`: it is not there either. */
export type Situation = 'on' | 'off' | 'gone';

/** What a test needs of node:test's context. */
export interface TestContext {
  readonly name: string;
  after(cleanUp: () => unknown): void;
}

/** A dom0 with guests, its xenstore, and the program. */
export interface Fleet {
  readonly bench: Bench;
  readonly store: Xenstored;
  readonly vifs: readonly GuestVif[];
  /** A folder of this test alone. */
  readonly folder: string;
  readonly stateDirectory: string;
  /** The environment in which Xen runs the script for a vif. */
  env(vif: GuestVif): Record<string, string>;
  /** The launcher, as Xen runs it. The process is started before this returns. */
  run(command: 'online' | 'offline', vif: GuestVif): Promise<RunResult>;
  /** `vif-bridge reapply ...` through the launcher, as an admin runs it. */
  reapply(...what: string[]): Promise<RunResult>;
  /** Any program inside, with the program's environment and its log. */
  inside(argv: readonly string[], timeoutMs?: number): Promise<RunResult>;
  /** netback's part: makes the device and xenstore's keys anew. */
  attach(vif: GuestVif, type?: 'vif' | 'vif_ioemu'): Promise<void>;
  /** What was logged since the last call, errors and warnings only. */
  complaints(): string[];
  picture(): Promise<HostPicture>;
  /** Learns, with the first two vifs one after the other, what a vif looks like that is on, and one that is off. */
  learn(): Promise<void>;
  /** Fails unless every vif is exactly what it should be, and the part that all share is there exactly once. */
  check(expected: ReadonlyMap<string, Situation>, when: string): Promise<void>;
}

/**
 * What may be as it likes: an offline leaves IPv6 switched off, the device is about to go; and Xen removes the keys of
 * a vif that is gone.
 */
const UNIMPORTANT: Readonly<Record<Situation, RegExp>> = { on: /^$/, off: /^sysctl /, gone: /^xenstore / };

/**
 * Takes what the program logs, through `logger`, in a file: the launcher looks for tools in the system's folders first.
 */
const WITH_LOG = 'mount --bind "$TEST_LOGGER" "$(command -v logger)" && exec "$@"';

/**
 * @param vifs made now
 * @param later made with `attach` when the test wants them
 */
export async function buildFleet(
  t: TestContext,
  form: Form,
  vifs: readonly GuestVif[],
  later: readonly GuestVif[] = [],
): Promise<Fleet> {
  const ns = await createNamespace(t.name);
  t.after(() => ns.remove());
  const store = await startXenstored();
  t.after(() => store.stop());
  const folder = mkdtempSync(join(tmpdir(), 'xvb-stress-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const stateDirectory = join(folder, 'state');
  mkdirSync(stateDirectory);
  const policy = join(folder, 'policy.ini');
  // A guest that sends thousands of forged broadcasts in a second has used up how many it may send of its own.
  writeFileSync(policy, `[defaults]\nbackend = ${form === 'route' ? 'nftables' : form}\nlimit_broadcast = off\n`);
  const logFile = join(folder, 'log');
  const logger = join(folder, 'logger');
  writeFileSync(logger, `#!/bin/sh\nexec cat >>'${logFile}'\n`);
  chmodSync(logger, 0o755);

  const bench = await buildBench(ns);
  if (form === 'route') await ns.check(['sh', '-e'], { input: ROUTING.join('\n') });
  const subject = { ns, bridge: bench.bridge, store, stateDirectory, form, vifs: [...vifs, ...later] };
  let logRead = 0;
  const expectedLines = new Map<Situation, readonly string[]>();
  let shared: readonly string[] = [];
  let withoutAny: readonly string[] = [];

  const env = {
    ...PLAIN_ENV,
    XENSTORED_PATH: store.socket,
    VIF_BRIDGE_STATE_DIR: stateDirectory,
    VIF_BRIDGE_CONFIG: policy,
    TEST_LOGGER: logger,
  };
  const vifEnv = (vif: GuestVif): Record<string, string> => ({
    ...env,
    XENBUS_PATH: vif.xenbus,
    XENBUS_TYPE: 'vif',
    vif: vif.device,
    script: scriptOf(form),
  });
  const launch = (
    argv: readonly string[],
    more: Record<string, string> = env,
    timeoutMs = 60_000,
  ): Promise<RunResult> => ns.run(['sh', '-c', WITH_LOG, 'sh', ...argv], { env: more, timeoutMs });

  const ready = async (devices: readonly string[]): Promise<void> => {
    if (form !== 'route') await forwarding(ns, devices);
  };

  const fleet: Fleet = {
    bench,
    store,
    vifs,
    folder,
    stateDirectory,
    env: vifEnv,
    run: (command, vif) => launch([scriptOf(form), command, 'type_if=vif'], vifEnv(vif)),
    reapply: (...what) => launch([LAUNCHER, 'reapply', ...what]),
    inside: (argv, timeoutMs) => launch(argv, env, timeoutMs),
    async attach(vif, type) {
      store.load(xenstoreKeys(vif, bench.bridge, type, form));
      await bench.addVif(vif.device);
    },
    complaints() {
      const text = existsSync(logFile) ? readFileSync(logFile, 'utf8') : '';
      const fresh = text.slice(logRead);
      logRead = text.length;
      // Severities of RFC 5424 below 6 (informational); 8 times the facility is added to them.
      return (
        fresh
          .split('\n')
          .filter((line) => line !== '' && Number(/^<(\d+)>/.exec(line)?.[1] ?? 0) % 8 < 6)
          // What this machine lacks: said once a boot.
          .filter((line) => !line.includes('can fill the bridge with multicast groups'))
      );
    },
    picture: () => takePicture(subject),
    async learn() {
      const [first, second] = vifs;
      assert.ok(first && second, 'two vifs at least');
      const after = async (command: 'online' | 'offline', vif: GuestVif): Promise<HostPicture> => {
        clean(await fleet.run(command, vif));
        if (command === 'online') await ready([vif.device]);
        else store.write(`${vif.backend}/hotplug-status`, '');
        return fleet.picture();
      };
      const firstOn = await after('online', first);
      const secondOn = await after('online', second);
      const off = await after('offline', first);
      const none = await after('offline', second);
      // All else is compared with what is learned here.
      const rules = /^(nft element of own-ip |ebtables -A )/;
      assert.ok(
        firstOn.of.get(first.device)?.some((line) => rules.test(line)),
        'a vif in service has rules',
      );
      assert.deepEqual(differences(firstOn.of.get(first.device) ?? [], secondOn.of.get(second.device) ?? []), []);
      assert.deepEqual(differences(firstOn.shared, secondOn.shared), []);
      assert.deepEqual(differences(firstOn.shared, off.shared), []);
      assert.deepEqual(fleet.complaints(), []);
      shared = off.shared;
      // The last one takes with it what all share.
      withoutAny = none.shared;
      expectedLines.set('on', firstOn.of.get(first.device) ?? []);
      expectedLines.set(
        'off',
        (off.of.get(first.device) ?? []).filter((line) => !line.startsWith('sysctl ')),
      );
    },
    async check(expected, when) {
      await ready([...expected].flatMap(([device, situation]) => (situation === 'on' ? [device] : [])));
      const picture = await fleet.picture();
      const anybody = [...expected.values()].includes('on');
      assert.deepEqual(differences(anybody ? shared : withoutAny, picture.shared), [], `${when}: what is shared`);
      for (const [device, situation] of expected) {
        const wanted = expectedLines.get(situation) ?? [];
        const seen = picture.of.get(device) ?? [];
        const relevant = seen.filter((line) => !UNIMPORTANT[situation].test(line));
        assert.deepEqual(differences(wanted, relevant), [], `${when}: ${device}, to be ${situation}`);
      }
    },
  };
  for (const vif of vifs) await fleet.attach(vif);
  return fleet;
}

/** Gives ports the moment that the kernel takes from `up` to `forwarding`; whether they got there is seen later. */
async function forwarding(ns: Namespace, devices: readonly string[]): Promise<void> {
  for (const deadline = Date.now() + 2_000; Date.now() < deadline; await sleep(5)) {
    const rows = JSON.parse((await ns.check(['bridge', '-j', 'link'])) || '[]') as { ifname: string; state: string }[];
    const states = new Map(rows.map((row) => [row.ifname, row.state]));
    if (devices.every((device) => states.get(device) === 'forwarding')) return;
  }
}

/** The run ended well and had nothing to say. */
export function clean(result: RunResult): void {
  assert.deepEqual({ ...result, stdout: '' }, { status: 0, signal: null, timedOut: false, stdout: '', stderr: '' });
}
