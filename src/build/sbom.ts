/**
 * What a built program is made of, for programs that look for known holes: CycloneDX 1.5, written by `npm sbom` from
 * package-lock.json. Of its list only that stays which is in the artefact: packages in the bundle, and the runtime.
 */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import type { BundledPackage } from './notices.ts';
import { ROOT } from './source.ts';

interface Component {
  readonly name: string;
  readonly version: string;
  readonly 'bom-ref': string;
}

interface Bom {
  readonly metadata: { readonly component: Component };
  readonly components: readonly Component[];
  readonly dependencies: readonly { readonly ref: string; readonly dependsOn: readonly string[] }[];
}

/**
 * @param epoch its time, in seconds since 1970
 * @throws Error if a package of the bundle is not in package-lock.json
 */
export function sbomText(bundled: readonly BundledPackage[], form: 'standalone' | 'node', epoch: number): string {
  const argv = ['sbom', '--package-lock-only', '--sbom-format=cyclonedx', '--sbom-type=application'];
  const said = execFileSync('npm', argv, {
    cwd: ROOT,
    encoding: 'utf8',
    maxBuffer: 2 ** 26,
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  const all = JSON.parse(said) as Bom;
  const isIn = ({ name, version }: Component): boolean =>
    bundled.some((one) => one.name === name && one.version === version) ||
    (form === 'standalone' && name === RUNTIMES[process.arch]);
  const components = all.components.filter(isIn).map((one) => ({ ...one, scope: 'required' }));
  const missing = bundled.filter(({ name }) => !components.some((one) => one.name === name));
  if (missing.length > 0)
    throw new Error(`package-lock.json does not know ${missing.map(({ name }) => name).join(' ')}`);
  const refs = components.map((one) => one['bom-ref']);
  const root = all.metadata.component['bom-ref'];
  const bom = {
    ...all,
    metadata: {
      ...all.metadata,
      timestamp: new Date(epoch * 1000).toISOString(),
      component: { ...all.metadata.component, name: 'xen-vif-bridge', type: 'application' },
    },
    components,
    dependencies: [
      // All of it is in one file: who asked for what does not matter any more.
      { ref: root, dependsOn: refs },
      ...all.dependencies
        .filter(({ ref }) => refs.includes(ref))
        .map(({ ref, dependsOn }) => ({ ref, dependsOn: dependsOn.filter((one) => refs.includes(one)) })),
    ],
  };
  const hash = createHash('sha256')
    .update(JSON.stringify({ ...bom, serialNumber: '' }))
    .digest('hex');
  const parts = [
    hash.slice(0, 8),
    hash.slice(8, 12),
    `8${hash.slice(13, 16)}`,
    `8${hash.slice(17, 20)}`,
    hash.slice(20, 32),
  ];
  return `${JSON.stringify({ ...bom, serialNumber: `urn:uuid:${parts.join('-')}` }, undefined, 2)}\n`;
}

const RUNTIMES: Readonly<Record<string, string>> = { x64: '@oven/bun-linux-x64', arm64: '@oven/bun-linux-aarch64' };
