import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { unpackPackages } from './debian-packages.ts';
import { PLAIN_ENV } from './subprocess.ts';

/**
 * tcpdump as Debian ships it, for a host that has none: put into a folder as a program that finds its libraries.
 *
 * @returns the environment in which the launcher finds it behind the system's own; undefined (and why is printed) where
 *   the packages are out of reach
 */
export async function tcpdump(folder: string): Promise<Readonly<Record<string, string>> | undefined> {
  try {
    const root = await unpackPackages(['tcpdump', 'libpcap0.8', 'libdbus-1-3'], 'tcpdump');
    const libraries = ['usr/lib', 'lib'].map((one) => join(root, one, 'x86_64-linux-gnu')).join(':');
    const lines = ['#!/bin/sh', `LD_LIBRARY_PATH=${libraries} exec ${join(root, 'usr/bin/tcpdump')} -Z root "$@"`, ''];
    writeFileSync(join(folder, 'tcpdump'), lines.join('\n'), { mode: 0o755 });
    return { PATH: `${PLAIN_ENV.PATH}:${folder}` };
  } catch (error) {
    console.log(`skipped: needs Debian's package tcpdump: ${String(error).slice(0, 100)}`);
    return undefined;
  }
}
