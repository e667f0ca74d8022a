import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { MIRROR } from '../lab/debootstrap.ts';
import { cachePath } from './cache.ts';
import { HarnessError } from './command.ts';

/** A release of Debian that a Xen host is built of. */
export interface Release {
  readonly name: 'bookworm' | 'trixie';
  /** The version of Xen in the names of its packages and folders. */
  readonly xen: string;
}

/** The first is what runs unless another is asked for. */
export const RELEASES: readonly Release[] = [
  { name: 'bookworm', xen: '4.17' },
  { name: 'trixie', xen: '4.20' },
];

const KEYRING = '/usr/share/keyrings/debian-archive-keyring.gpg';

/**
 * What apt-get has to be told to take packages of a release. Of the one that this machine has it takes what it takes
 * here, from wherever; the lists of another one are kept in a folder of their own.
 *
 * @throws HarnessError where the keys of that release are not installed
 */
export function aptOptions({ name }: Release): readonly string[] {
  if (/^VERSION_CODENAME=(.*)$/m.exec(readFileSync('/etc/os-release', 'utf8'))?.[1] === name) return [];
  if (!existsSync(KEYRING)) throw new HarnessError(`${KEYRING} is missing (apt-get install debian-archive-keyring)`);
  const folder = cachePath(`apt-${name}`);
  for (const part of ['lists/partial', 'cache/archives/partial', 'parts', 'preferences'])
    mkdirSync(join(folder, part), { recursive: true });
  const sources = [name, `${name}-updates`].map((suite) => `deb [signed-by=${KEYRING}] ${MIRROR} ${suite} main\n`);
  writeFileSync(join(folder, 'sources.list'), sources.join(''));
  writeFileSync(join(folder, 'status'), '');
  const set: Readonly<Record<string, string>> = {
    'Dir::Etc::SourceList': join(folder, 'sources.list'),
    'Dir::Etc::SourceParts': join(folder, 'parts'),
    'Dir::Etc::PreferencesParts': join(folder, 'preferences'),
    'Dir::State::Lists': join(folder, 'lists'),
    'Dir::State::status': join(folder, 'status'),
    'Dir::Cache': join(folder, 'cache'),
  };
  return Object.entries(set).flatMap(([key, value]) => ['-o', `${key}=${value}`]);
}
