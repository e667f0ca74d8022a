import { copyFileSync, existsSync, mkdirSync, renameSync, rmSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { PROGRAM_FILES } from '../../src/install/program-files.ts';
import { cacheFolder } from './cache.ts';

/** The two forms of the program: the bundle for Node, and the executable that brings its runtime. */
export const FORMS = ['node', 'standalone'] as const;
export type Form = (typeof FORMS)[number];

const FILES: Readonly<
  Record<Form, { readonly file: string; readonly more: readonly string[]; readonly build: string }>
> = {
  node: {
    file: 'vif-bridge.cjs',
    more: PROGRAM_FILES.node.filter((name) => name !== 'vif-bridge.cjs'),
    build: 'npm run build',
  },
  standalone: { file: 'vif-bridge', more: [], build: 'npm run build:standalone' },
};
const ROOT = fileURLToPath(new URL('../../', import.meta.url));

/** The form this test run is about: $VIF_BRIDGE_FORM, `node` unless set. */
export function form(): Form {
  const wanted = process.env.VIF_BRIDGE_FORM || 'node';
  if (wanted === 'node' || wanted === 'standalone') return wanted;
  throw new Error(`VIF_BRIDGE_FORM=${wanted}: one of ${FORMS.join(', ')}`);
}

/** The file of a form, whether it is there or not. */
export function programFile(of: Form = form()): string {
  return join(ROOT, 'dist', FILES[of].file);
}

/** The command that runs a form without its launcher, to which arguments are added. */
export function program(of: Form = form()): readonly string[] {
  return of === 'node' ? [process.execPath, programFile(of)] : [programFile(of)];
}

/** Why a form cannot be tested here, or undefined when it can. For the `skip` of a test. */
export function formObstacle(of: Form = form()): string | undefined {
  return existsSync(programFile(of)) ? undefined : `needs dist/${FILES[of].file} (${FILES[of].build})`;
}

/**
 * The launcher in an installation that has only one form: a folder with copies of the launchers and a link to the
 * program. Nothing in the program or the launcher knows that it is tested.
 *
 * @param target the folder to put it into; unless told, one in the cache that all test processes use
 * @throws Error naming the build command when the form is not built
 */
export function launcher(of: Form = form(), target: string = join(cacheFolder(), 'installed', of)): string {
  const obstacle = formObstacle(of);
  if (obstacle !== undefined) throw new Error(obstacle);
  for (const folder of ['xen-scripts', 'dist']) mkdirSync(join(target, folder), { recursive: true });
  const script = 'xen-scripts/vif-bridge';
  for (const path of [script, 'xen-scripts/vif-route']) {
    // Written elsewhere and renamed: another test process may be running it.
    const draft = join(target, `${path}.${process.pid}`);
    copyFileSync(join(ROOT, path), draft);
    renameSync(draft, join(target, path));
  }
  for (const name of [FILES[of].file, ...FILES[of].more]) {
    const link = join(target, 'dist', name);
    rmSync(`${link}.${process.pid}`, { force: true });
    symlinkSync(join(ROOT, 'dist', name), `${link}.${process.pid}`);
    renameSync(`${link}.${process.pid}`, link);
  }
  return join(target, script);
}
