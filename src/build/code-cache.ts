/**
 * Makes the code cache of a bundle in dist (see src/bundle-cache.ts), in a process of its own: the program ends in it.
 *
 * V8 compiles a function when it is called first, so the program is run before: an `online` that only prints, then an
 * `offline` of an interface that is not there, with a state of its own. Every tool it may run is a script that does
 * nothing.
 */
import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { bundleScript, cacheFile } from '../bundle-cache.ts';

const [, , bundle = ''] = process.argv;
const folder = mkdtempSync(join(tmpdir(), 'vif-bridge-cache-'));
process.on('exit', () => rmSync(folder, { recursive: true, force: true }));

const PATH = 'backend/vif/1/0';
const KEYS = { mac: '00:16:3e:00:00:01', ip: '192.0.2.1 192.0.2.64/26 2001:db8::1', bridge: 'br0', type: 'vif' };
const listing = Object.entries(KEYS).map(([key, value]) => `echo '${PATH}/${key} = "${value}"'`);
const tool = (name: string, lines: readonly string[]): void =>
  writeFileSync(join(folder, name), `#!/bin/sh\n${lines.join('\n')}\n`, { mode: 0o755 });
tool('xenstore-ls', listing);
for (const name of ['flock', 'nft', 'ip', 'bridge', 'logger', 'xenstore-exists', 'xenstore-write'])
  tool(name, ['exit 0']);

for (const name of Object.keys(process.env)) delete process.env[name];
Object.assign(process.env, {
  PATH: folder,
  VIF_BRIDGE_STATE_DIR: join(folder, 'state'),
  XENBUS_PATH: PATH,
  vif: 'vif1.0',
});
const print = process.stdout.write.bind(process.stdout);
process.stdout.write = () => true;

const { start, compiled } = bundleScript(bundle);
const load = createRequire(bundle);
const runs = [
  ['online', '--dry-run'],
  ['offline', 'type_if=vif'],
];
process.argv = [process.execPath, bundle, ...(runs.shift() ?? [])];
start(load);
// A run is over when nothing is left to do.
process.on('beforeExit', () => {
  const next = runs.shift();
  if (next !== undefined) {
    process.argv = [process.execPath, bundle, ...next];
    start(load);
    return;
  }
  if (process.exitCode === 0) {
    // Beside it, then renamed: whoever reads it sees all of it.
    const draft = `${cacheFile(bundle)}.${process.pid}`;
    writeFileSync(draft, compiled());
    renameSync(draft, cacheFile(bundle));
  } else {
    print('the program does not run, so there is no code cache\n');
  }
  process.exit();
});
