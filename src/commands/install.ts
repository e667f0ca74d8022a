import { readdirSync, readFileSync } from 'node:fs';
import { Failure } from '../errors.ts';
import { type Disk, disk } from '../install/disk.ts';
import { XL_CONF } from '../install/layout.ts';
import { planInstall, type Step } from '../install/plan.ts';
import { placedBy, planUninstall } from '../install/removal.ts';
import { namesOurScript, XL_CONF_LINE } from '../install/xl-conf.ts';

export interface InstallOptions {
  /** The folder of the program, absolute. */
  readonly prefix: string;
  /** What stands for `/`. */
  readonly root: string;
  readonly dryRun: boolean;
}

/**
 * Puts the program in its place, for a host without a package: the same again when it is there already.
 *
 * @param home what is installed from: the folder of bin, dist and xen-scripts
 * @returns what it did, for people
 * @throws Failure before anything is changed
 */
export function install(home: string, options: InstallOptions & { readonly xlConf: boolean }): string {
  const { prefix, root, dryRun, xlConf } = options;
  const host = disk(root);
  const { steps } = planInstall(host, disk(home), { prefix, xlConf, earlier: placedBy(host, prefix) ?? [] });
  carryOut(host, steps, dryRun);
  return [...said(steps, dryRun, prefix), ...(xlConf ? [] : whatNext(host)), ''].join('\n');
}

/**
 * Takes it away again, and puts back what was there. Guests that run stay filtered until they end.
 *
 * @returns what it did, for people
 */
export function uninstall(options: InstallOptions): string {
  const { prefix, root, dryRun } = options;
  const host = disk(root);
  const placed = placedBy(host, prefix);
  if (placed === undefined) return `nothing is installed in ${prefix}\n`;
  const guests = portsOfGuests();
  const steps = planUninstall(host, { prefix, placed, guests });
  carryOut(host, steps, dryRun);
  const gone = steps.map(({ path }) => path);
  const kept = placed
    .filter((path) => host.isThere(path) && !gone.includes(path) && path.endsWith('.ini'))
    .map((path) => `keep    ${path} (an admin has written into it)`);
  const units =
    gone.some((path) => path.startsWith('/etc/systemd/')) && !dryRun ? ['now say: systemctl daemon-reload'] : [];
  const running = guests.length === 0 ? [] : [`${guests.join(', ')}: filtered until the guest ends`];
  return [...said(steps, dryRun, prefix), ...kept, ...running, ...units, ''].join('\n');
}

function carryOut(host: Disk, steps: readonly Step[], dryRun: boolean): void {
  if (dryRun) return;
  for (const step of steps) {
    if (step.do === 'write') host.write(step.path, step.bytes, step.mode);
    else if (step.do === 'link') host.link(step.path, step.to);
    else host.remove(step.path);
  }
}

/** What is done, one line for each thing outside the program's folder. */
function said(steps: readonly Step[], dryRun: boolean, prefix: string): string[] {
  if (steps.length === 0) return ['nothing to do: it is all there'];
  const inside = steps.filter(({ path }) => path.startsWith(`${prefix}/`));
  const outside = steps.filter(({ path }) => !path.startsWith(`${prefix}/`));
  const written = inside.filter((step) => step.do !== 'remove').length;
  const removed = inside.length - written;
  return [
    ...(dryRun ? ['this would be done; nothing is changed:'] : []),
    ...(written === 0 ? [] : [`write   ${prefix}: ${written} files`]),
    ...(removed === 0 ? [] : [`remove  ${prefix}: ${removed} files`]),
    ...outside.map((step) => `${step.do.padEnd(6)}  ${step.path} (${step.why})`),
  ];
}

function whatNext(host: Disk): string[] {
  if (namesOurScript(host.read(XL_CONF)?.toString('utf8') ?? '')) return [];
  return [
    '',
    `For every guest that starts from now on, write this into ${XL_CONF} (or say install --xl-conf):`,
    `  ${XL_CONF_LINE}`,
    'For one guest only, write script=vif-bridge-locked into its vif= in place of that.',
    'Guests that run already are taken over by: vif-bridge reapply --all',
  ];
}

/** Ports with an interface group of ours (src/port/guest-group.ts). */
function portsOfGuests(): string[] {
  const first = 2 ** 30;
  return readdirSync('/sys/class/net').filter((name) => {
    try {
      return Number(readFileSync(`/sys/class/net/${name}/netdev_group`, 'utf8')) >= first;
    } catch {
      return false;
    }
  });
}

/** A folder, as a person writes it. @throws Failure `input` for one that is not absolute */
export function absolute(path: string, option: string): string {
  if (path.startsWith('/') && !path.split('/').includes('..')) return path.length > 1 ? path.replace(/\/+$/, '') : path;
  throw new Failure('input', `${path} is no absolute path`, { at: option, hint: 'it begins with / and has no ..' });
}
