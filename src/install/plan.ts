import { join } from 'node:path';
import { Failure } from '../errors.ts';
import type { Disk } from './disk.ts';
import { CHECKOUT, layout, XL_CONF } from './layout.ts';
import { CODE_CACHES, PROGRAM_FILES } from './program-files.ts';
import { withOurScript } from './xl-conf.ts';

/** One thing that an installation does; `why` says so to a person. */
export type Step =
  | {
      readonly do: 'write';
      readonly path: string;
      readonly bytes: Uint8Array;
      readonly mode: number;
      readonly why: string;
    }
  | { readonly do: 'link'; readonly path: string; readonly to: string; readonly why: string }
  | { readonly do: 'remove'; readonly path: string; readonly why: string };

export interface Installation {
  readonly steps: readonly Step[];
  /** All that is ours then, besides the folder of the program: an uninstallation goes by it. */
  readonly placed: readonly string[];
}

/** What is ours, in the folder of the program. */
export const MANIFEST = 'installed.json';
export const XL_CONF_BACKUP = `${XL_CONF}.before-xen-vif-bridge`;
/** Written by an uninstallation (xen-scripts/farewell). */
export const FAREWELL_MARK = 'xen-vif-bridge: farewell';
/** Folders of what is installed from, that are the program. */
const PROGRAM = ['bin', 'dist', 'xen-scripts', 'docs/man'];
/** What of dist runs; what else a checkout has there is not copied. */
const RUNS: ReadonlySet<string> = new Set(
  [...PROGRAM_FILES.standalone, ...PROGRAM_FILES.node, ...CODE_CACHES].map((name) => `dist/${name}`),
);

/**
 * All that has to be done on this host, and nothing that is done already.
 *
 * @param source what is installed from: the folder of bin, dist and xen-scripts
 * @throws Failure `input` if something of others is in the place of something of ours: nothing is changed then
 */
export function planInstall(
  host: Disk,
  source: Disk,
  options: { readonly prefix: string; readonly xlConf: boolean; readonly earlier: readonly string[] },
): Installation {
  const { prefix, earlier } = options;
  const files = PROGRAM.flatMap((folder) => source.below(`/${folder}`).map((name) => join(folder, name)));
  const program = files.filter(isProgram);
  if (!program.some((name) => name.startsWith('dist/vif-bridge'))) {
    throw new Failure('missing', 'there is no built program to install', {
      at: '/dist of what is installed from',
      hint: 'npm ci && npm run build, or take the packed archive',
    });
  }
  const bytesOf = (name: string): Uint8Array => {
    const bytes = source.read(`/${name}`);
    if (bytes === undefined) throw new Failure('missing', `${name} is no file`, { at: 'what is installed from' });
    return bytes;
  };
  const steps: Step[] = [];
  const write = (path: string, bytes: Uint8Array, mode: number, why: string): void => {
    if (host.read(path)?.equals(bytes) !== true) steps.push({ do: 'write', path, bytes, mode, why });
  };
  for (const name of program) {
    const mode = /^(bin\/|dist\/vif-bridge$|xen-scripts\/(vif-\w+|farewell)$)/.test(name) ? 0o755 : 0o644;
    write(join(prefix, name), bytesOf(name), mode, 'the program');
  }
  for (const name of host.below(prefix)) {
    if (name !== MANIFEST && !program.includes(name)) {
      steps.push({ do: 'remove', path: join(prefix, name), why: 'of an earlier version' });
    }
  }
  const all = layout(prefix, files);
  for (const one of all) {
    if (one.kind === 'link') {
      if (host.linkAt(one.path) === one.to) continue;
      refuseStrangers(host, one.path, earlier);
      steps.push({ do: 'link', path: one.path, to: one.to, why: `leads to ${one.to}` });
    } else if (one.kind === 'kept') {
      if (!host.isThere(one.path)) write(one.path, bytesOf(one.from), 0o644, 'says what holds without it');
    } else {
      const bytes = one.rewritten
        ? Buffer.from(Buffer.from(bytesOf(one.from)).toString('utf8').replaceAll(CHECKOUT, prefix))
        : bytesOf(one.from);
      if (host.read(one.path)?.equals(bytes) !== true) refuseStrangers(host, one.path, earlier);
      write(one.path, bytes, 0o644, one.rewritten ? 'there, not enabled' : 'for people');
    }
  }
  if (options.xlConf) {
    const text = host.read(XL_CONF)?.toString('utf8') ?? '';
    const wanted = withOurScript(text);
    if (wanted !== text) {
      if (host.isThere(XL_CONF)) write(XL_CONF_BACKUP, Buffer.from(text), 0o644, 'a copy of what was there');
      write(XL_CONF, Buffer.from(wanted), 0o644, 'every guest that starts from now on is filtered');
    }
  }
  const placed = all.map(({ path }) => path);
  for (const path of earlier.filter((one) => !placed.includes(one) && host.isThere(one))) {
    steps.push({ do: 'remove', path, why: 'of an earlier version' });
  }
  // First of all: one that is interrupted is taken away by it too.
  const manifest = join(prefix, MANIFEST);
  const bytes = Buffer.from(`${JSON.stringify({ format: 1, placed }, undefined, 1)}\n`);
  const isSaid = host.read(manifest)?.equals(bytes) === true;
  const first: Step = { do: 'write', path: manifest, bytes, mode: 0o644, why: 'what uninstall goes by' };
  return { steps: isSaid ? steps : [first, ...steps], placed };
}

function isProgram(name: string): boolean {
  return name.startsWith('dist/') ? RUNS.has(name) : true;
}

function refuseStrangers(host: Disk, path: string, earlier: readonly string[]): void {
  if (!host.isThere(path) || earlier.includes(path)) return;
  if (host.read(path)?.includes(FAREWELL_MARK) === true) return;
  throw new Failure('input', `${path} is there already, and is not of this installation`, {
    at: host.linkAt(path) === undefined ? path : `${path}, a link to ${host.linkAt(path)}`,
    hint: 'take it away first (of the Debian package: apt remove xen-vif-bridge); nothing was changed',
  });
}
