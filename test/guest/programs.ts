import { join } from 'node:path';
import { unpackPackages } from '../lab/debian-packages.ts';

/** A folder with what would be / if these packages of Debian were installed. */
export interface Unpacked {
  readonly root: string;
  /** For programs that look for their own libraries. */
  readonly env: Readonly<Record<string, string>>;
}

/** What configures guests; and ping, to see whether it did. */
const PACKAGES = {
  netplan: ['netplan.io', 'libnetplan0'],
  'cloud-init': [
    ...['cloud-init', 'python3-configobj', 'python3-netifaces', 'python3-oauthlib', 'python3-serial'],
    ...['python3-requests', 'python3-jinja2', 'python3-jsonpatch', 'python3-jsonschema', 'python3-yaml'],
    ...['python3-urllib3', 'python3-idna', 'python3-chardet', 'python3-certifi', 'python3-markupsafe'],
    ...['python3-attr', 'python3-pyrsistent', 'python3-json-pointer', 'python3-six', 'python3-charset-normalizer'],
  ],
  'network-manager': ['network-manager', 'libnm0'],
  ifupdown: ['ifupdown'],
  busybox: ['busybox-static'],
} as const;

/** Unpacks them without installing them; or why they cannot be had, for the `skip` of a test. */
export async function unpacked(name: keyof typeof PACKAGES): Promise<Unpacked | string> {
  try {
    const root = await unpackPackages(PACKAGES[name], `guest-${name}`);
    const libraries = ['usr/lib', 'lib'].flatMap((lib) => [join(root, lib, 'x86_64-linux-gnu'), join(root, lib)]);
    return {
      root,
      env: {
        PATH: `${join(root, 'sbin')}:${join(root, 'usr/sbin')}:/usr/sbin:/usr/bin:/sbin:/bin`,
        LD_LIBRARY_PATH: libraries.join(':'),
        PYTHONPATH: join(root, 'usr/lib/python3/dist-packages'),
        LC_ALL: 'C.UTF-8',
      },
    };
  } catch (error) {
    return `needs ${PACKAGES[name].join(' ')} of Debian: ${String(error).split('\n')[0]}`;
  }
}
