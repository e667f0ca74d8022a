import { chmodSync, cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fetchXl } from './xen-packages.ts';

/** A runnable copy of Debian's /etc/xen/scripts that writes nothing outside its own temporary folder. */
export interface StockScripts {
  /** The copy of /etc/xen/scripts; hooks go into `vif-post.d` below it. */
  readonly dir: string;
  readonly vifBridge: string;
  /** What would be in /var/log/xen/xen-hotplug.log. */
  hotplugLog(): string;
  /** What the scripts told syslog, one `-p daemon.<level> -- <script>: <text>` a line. */
  syslog(): string;
  remove(): void;
}

/**
 * Makes such a copy. Changed are only paths, so what it does to interfaces, bridges and xenstore is Debian's own.
 * The xenstore-* tools and iproute2 are those of this host; XENSTORED_PATH says which xenstored is meant.
 */
export async function stockScripts(): Promise<StockScripts> {
  const packages = await fetchXl();
  const base = mkdtempSync(join(tmpdir(), 'xvb-stock-'));
  const [dir, log, run, bin] = ['scripts', 'log', 'run', 'bin'].map((name) => join(base, name)) as [
    string,
    string,
    string,
    string,
  ];
  cpSync(packages.scripts, dir, { recursive: true, verbatimSymlinks: true });
  for (const folder of [log, run, bin]) mkdirSync(folder);

  const paths: readonly [from: string, to: string][] = [
    ['/etc/xen/scripts', dir],
    ['/var/log/xen', log],
    ['/var/run/xen-hotplug', run],
    // First in the scripts' own PATH, so that its logger is found before the host's.
    ['bindir="/usr/bin"', `bindir="${bin}:/usr/bin"`],
    [`/usr/lib/xen-${packages.version}`, join(packages.root, `usr/lib/xen-${packages.version}`)],
  ];
  for (const name of readdirSync(dir).filter((file) => file.endsWith('.sh') || file.startsWith('vif-'))) {
    const file = join(dir, name);
    const text = readFileSync(file, 'utf8');
    writeFileSync(
      file,
      paths.reduce((changed, [from, to]) => changed.replaceAll(from, to), text),
    );
  }
  const logger = join(bin, 'logger');
  writeFileSync(logger, `#!/bin/sh\nprintf '%s\\n' "$*" >>'${log}/syslog'\n`);
  chmodSync(logger, 0o755);

  const read = (name: string): string => {
    const present = readdirSync(log).includes(name);
    return present ? readFileSync(join(log, name), 'utf8') : '';
  };
  return {
    dir,
    vifBridge: join(dir, 'vif-bridge'),
    hotplugLog: () => read('xen-hotplug.log'),
    syslog: () => read('syslog'),
    remove: () => rmSync(base, { recursive: true, force: true }),
  };
}
