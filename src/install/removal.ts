import { join } from 'node:path';
import { Failure } from '../errors.ts';
import type { Disk } from './disk.ts';
import { XL_CONF } from './layout.ts';
import { FAREWELL_MARK, MANIFEST, type Step, XL_CONF_BACKUP } from './plan.ts';
import { withoutOurScript } from './xl-conf.ts';

/**
 * All that takes an installation away. What an admin has written stays.
 *
 * @param placed what the installation has put outside its folder
 * @param guests names of ports that still run with our rules: for their end a script stays
 */
export function planUninstall(
  host: Disk,
  options: { readonly prefix: string; readonly placed: readonly string[]; readonly guests: readonly string[] },
): readonly Step[] {
  const { prefix, placed, guests } = options;
  const steps: Step[] = [];
  const xlConf = host.read(XL_CONF)?.toString('utf8');
  if (xlConf !== undefined) {
    const backup = host.read(XL_CONF_BACKUP)?.toString('utf8');
    const bare = withoutOurScript(xlConf);
    const bytes = Buffer.from(
      backup !== undefined && withoutOurScript(backup).trimEnd() === bare.trimEnd() ? backup : bare,
    );
    if (!bytes.equals(Buffer.from(xlConf))) {
      steps.push({
        do: 'write',
        path: XL_CONF,
        bytes,
        mode: 0o644,
        why: 'as it was: guests start with the script of Xen',
      });
    }
    if (backup !== undefined) steps.push({ do: 'remove', path: XL_CONF_BACKUP, why: 'the copy' });
  }
  const sample = host.read(join(prefix, 'xen-scripts/vif-bridge.ini'));
  const farewell = host.read(join(prefix, 'xen-scripts/farewell'));
  for (const path of placed) {
    if (!host.isThere(path)) continue;
    if (path.startsWith('/etc/xen/scripts/') && guests.length > 0 && farewell !== undefined) {
      const why = `for the end of ${guests.join(', ')}; the last of them takes it away`;
      steps.push({ do: 'write', path, bytes: farewell, mode: 0o755, why });
    } else if (path.endsWith('.ini') && sample !== undefined && host.read(path)?.equals(sample) !== true) {
      // An admin has written into it: it stays.
    } else if (host.read(path)?.includes(FAREWELL_MARK) !== true || guests.length === 0) {
      steps.push({ do: 'remove', path, why: 'was put there by install' });
    }
  }
  for (const wants of host.names('/etc/systemd/system').filter((name) => name.endsWith('.wants'))) {
    for (const name of host.names(`/etc/systemd/system/${wants}`)) {
      const path = `/etc/systemd/system/${wants}/${name}`;
      if (placed.includes(`/etc/systemd/system/${name}`)) steps.push({ do: 'remove', path, why: 'the unit is gone' });
    }
  }
  for (const name of host.below(prefix)) steps.push({ do: 'remove', path: join(prefix, name), why: 'the program' });
  return steps;
}

/**
 * What an installation has put outside its folder, as it says itself; none if there is no installation.
 *
 * @throws Failure `input` if what says so is damaged, or of a version that this one does not know
 */
export function placedBy(host: Disk, prefix: string): readonly string[] | undefined {
  const at = join(prefix, MANIFEST);
  const text = host.read(at)?.toString('utf8');
  if (text === undefined) return undefined;
  const refuse = (why: string): Failure =>
    new Failure('input', `cannot be followed: ${why}`, { at, hint: 'use the version that installed it' });
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw refuse('it is no JSON');
  }
  if (typeof value !== 'object' || value === null || !('format' in value) || !('placed' in value)) throw refuse('keys');
  if (value.format !== 1) throw refuse(`format ${String(value.format)} is of another version`);
  const { placed } = value;
  const isPath = (one: unknown): one is string =>
    typeof one === 'string' && one.startsWith('/') && !one.includes('/../');
  if (!Array.isArray(placed) || !placed.every(isPath)) throw refuse('placed is no list of paths');
  return placed;
}
