/**
 * Makes dist/vif-bridge: the program, its libraries and its runtime in one executable that needs no Node.
 *
 *   tsx src/build/standalone.ts            for this machine's CPU
 *   tsx src/build/standalone.ts arm64      dist/arm64/vif-bridge (x64: dist/x64/vif-bridge)
 *
 * Beside it, vif-bridge.build: what it was built of (as the bundle has it in its first line) and its size in bytes.
 *
 * The same sources make the same file, wherever they lie: neither paths nor times get into it, only the name
 * `vif-bridge`.
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { build } from 'esbuild';
import { ESBUILD_OPTIONS } from './esbuild-options.ts';
import { ARCHITECTURES, type Architecture, foreignBun, hostBun } from './runtime.ts';
import { buildOf, ROOT } from './source.ts';

const wanted = process.argv[2];
if (wanted !== undefined && !(ARCHITECTURES as readonly string[]).includes(wanted)) {
  throw new Error(`${wanted}: one of ${ARCHITECTURES.join(', ')}`);
}
const architecture = wanted as Architecture | undefined;
const result = join(ROOT, 'dist', architecture ?? '', 'vif-bridge');
mkdirSync(dirname(result), { recursive: true });
// Beside it, then renamed: one that is running stays whole.
const draft = mkdtempSync(join(dirname(result), '.draft-'));
try {
  // What only people run are files of their own in it, which a run of Xen's need not read (measured: a fifth of the CPU
  // time of a start). esbuild parts them: bun itself names parts by where the sources lie.
  await build({
    ...ESBUILD_OPTIONS,
    splitting: true,
    format: 'esm',
    // Packages that are CommonJS ask for modules of Node's so.
    banner: { js: "import{createRequire as requireOf}from'node:module';const require=requireOf(import.meta.url);" },
    entryPoints: ['src/main.ts'],
    outdir: join(draft, 'parts'),
  });
  const arguments_ = [
    'build',
    // The bytecode is compiled ahead; without it, starting takes half as long again.
    ...['--compile', '--minify', '--bytecode', '--format=esm'],
    '--splitting',
    // A run is over before code compiled to machine code pays off (measured: a third of the CPU time of an online).
    '--compile-jit-policy=100',
    // A hotplug script runs as root in any folder: no .env, bunfig.toml, tsconfig.json or package.json there may have a
    // say.
    ...['dotenv', 'bunfig', 'tsconfig', 'package-json'].map((file) => `--no-compile-autoload-${file}`),
    ...(architecture === undefined || architecture === process.arch
      ? []
      : [`--target=bun-linux-${architecture}`, `--compile-executable-path=${foreignBun(architecture)}`]),
    '--outfile=vif-bridge',
    'parts/main.js',
  ];
  // Settings of whoever builds (BUN_OPTIONS, NODE_ENV) must not get into it.
  const env = { PATH: process.env.PATH, HOME: process.env.HOME };
  // It names parts by their paths from here.
  execFileSync(hostBun(), arguments_, { cwd: draft, env, stdio: ['ignore', 'ignore', 'inherit'] });
  const { size } = statSync(join(draft, 'vif-bridge'));
  writeFileSync(join(draft, 'build'), `${buildOf()} ${size}\n`);
  renameSync(join(draft, 'vif-bridge'), result);
  renameSync(join(draft, 'build'), `${result}.build`);
} finally {
  rmSync(draft, { recursive: true, force: true });
}
