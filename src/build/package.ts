/**
 * Makes the Debian packages: dist/xen-vif-bridge_VERSION_ARCH.deb with the standalone executable, and the small
 * dist/xen-vif-bridge-node_VERSION_all.deb, which runs on Node of the release.
 *
 *   npm run deb                both
 *   npm run deb -- node        one of them: standalone, node
 *
 * The same sources make the same files: every time in them is SOURCE_DATE_EPOCH, or that of the commit. Texts that
 * Debian wants are in packaging/debian.
 */
import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  cpSync,
  existsSync,
  lstatSync,
  lutimesSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { PROGRAM_FILES } from '../install/program-files.ts';
import { bundledPackages, noticesText } from './notices.ts';
import { sbomText } from './sbom.ts';
import { ROOT } from './source.ts';

/** One of the two packages. */
export type Form = 'standalone' | 'node';

interface FormText {
  readonly name: string;
  readonly architecture: string;
  readonly depends: string;
  readonly recommends: string;
  readonly provides: string;
  readonly conflicts: string;
  readonly form: string;
  /** Files of dist that it runs. */
  readonly programs: readonly string[];
  /** How data is compressed. */
  readonly compression: readonly string[];
}

/** What runs, in both forms: `flock` and `logger` are of essential packages. */
const TOOLS = 'nftables (>= 1.0.6) | iptables, iproute2, xenstore-utils';

const FORMS: Readonly<Record<Form, FormText>> = {
  standalone: {
    name: 'xen-vif-bridge',
    architecture: debianArchitecture(),
    // What the runtime asks of libc: objdump -T says GLIBC_2.17.
    depends: `libc6 (>= 2.17), ${TOOLS}`,
    recommends: 'ethtool',
    provides: '',
    conflicts: 'xen-vif-bridge-node',
    form: 'This package brings its own runtime and needs no Node.',
    programs: PROGRAM_FILES.standalone,
    // Three minutes of work would save another tenth.
    compression: ['-Zxz', '-z1'],
  },
  node: {
    name: 'xen-vif-bridge-node',
    architecture: 'all',
    depends: `nodejs (>= 20.17), ethtool, ${TOOLS}`,
    recommends: '',
    provides: 'xen-vif-bridge',
    conflicts: 'xen-vif-bridge',
    form: 'This package runs on the Node of the release, from Debian 13 on.',
    programs: PROGRAM_FILES.node,
    compression: ['-Zxz'],
  },
};

export interface PackageOptions {
  /** Time of all files, in seconds since 1970. */
  readonly epoch: number;
  /** Of the package; what the program itself says is that of package.json. */
  readonly version?: string;
  /** False for one that is tried and thrown away. */
  readonly compressed?: boolean;
}

const HOME = '/usr/lib/xen-vif-bridge';
const CHECKOUT = '/opt/xen-vif-bridge';
const POLICY = '/etc/xen/vif-bridge.ini';
/** Short names for xl.conf and `script=`: each a script of xen-scripts, under a name that is none of Xen's. */
const LINKS: Readonly<Record<string, string>> = { 'vif-bridge': 'vif-bridge-locked', 'vif-route': 'vif-route-locked' };

/**
 * Makes one package of what is in dist.
 *
 * @param into the folder it is written to
 * @param version of the package; that of package.json is what the program says itself
 * @param epoch time of all files, in seconds since 1970
 * @returns its path
 * @throws Error where dpkg-deb is not there, or dist is not built
 */
export function makePackage(form: Form, into: string, options: PackageOptions): string {
  const text = FORMS[form];
  const { epoch } = options;
  const version = options.version ?? programVersion();
  const tree = mkdtempSync(join(tmpdir(), 'xen-vif-bridge-deb-'));
  try {
    chmodSync(tree, 0o755);
    const place = (path: string, content: string | Buffer, mode = 0o644): void => {
      mkdirSync(dirname(join(tree, path)), { recursive: true, mode: 0o755 });
      writeFileSync(join(tree, path), content, { mode });
    };
    const read = (path: string): string => readFileSync(join(ROOT, path), 'utf8');
    const link = (path: string, target: string): void => {
      mkdirSync(dirname(join(tree, path)), { recursive: true, mode: 0o755 });
      symlinkSync(target, join(tree, path));
    };
    const zip = (content: string): Buffer => gzipSync(content, { level: 9 });
    const doc = `/usr/share/doc/${text.name}`;

    place(`${HOME}/bin/vif-bridge`, read('bin/vif-bridge'), 0o755);
    const scripts = Object.keys(LINKS).filter((script) => existsSync(join(ROOT, 'xen-scripts', script)));
    for (const script of scripts) {
      place(`${HOME}/xen-scripts/${script}`, read(`xen-scripts/${script}`), 0o755);
      link(`/etc/xen/scripts/${LINKS[script]}`, `${HOME}/xen-scripts/${script}`);
    }
    link('/usr/sbin/vif-bridge', '../lib/xen-vif-bridge/bin/vif-bridge');
    for (const program of text.programs) {
      const file = join(ROOT, 'dist', program);
      mkdirSync(join(tree, HOME, 'dist'), { recursive: true, mode: 0o755 });
      cpSync(file, join(tree, HOME, 'dist', program));
      chmodSync(join(tree, HOME, 'dist', program), program === 'vif-bridge' ? 0o755 : 0o644);
    }
    place(POLICY, read('xen-scripts/vif-bridge.ini'));
    const units = readdirSync(join(ROOT, 'xen-scripts/systemd')).sort();
    for (const unit of units) {
      place(`/usr/lib/systemd/system/${unit}`, read(`xen-scripts/systemd/${unit}`).replaceAll(CHECKOUT, HOME));
    }
    for (const folder of ['prometheus', 'grafana']) {
      if (!existsSync(join(ROOT, 'xen-scripts', folder))) continue;
      for (const file of readdirSync(join(ROOT, 'xen-scripts', folder))) {
        place(`/usr/share/xen-vif-bridge/${folder}/${file}`, read(`xen-scripts/${folder}/${file}`));
      }
    }
    for (const page of readdirSync(join(ROOT, 'docs/man'))) {
      place(`/usr/share/man/man${page.slice(-1)}/${page}.gz`, zip(read(`docs/man/${page}`)));
    }
    place('/usr/share/bash-completion/completions/vif-bridge', read('xen-scripts/completions/vif-bridge.bash'));
    place('/usr/share/zsh/vendor-completions/_vif-bridge', read('xen-scripts/completions/_vif-bridge'));
    place('/usr/share/fish/vendor_completions.d/vif-bridge.fish', read('xen-scripts/completions/vif-bridge.fish'));
    for (const page of ['README.md', ...readdirSync(join(ROOT, 'docs')).filter((name) => name.endsWith('.md'))]) {
      const from = page === 'README.md' ? page : `docs/${page}`;
      place(`${doc}/${from}`, read(from));
    }
    for (const file of readdirSync(join(ROOT, 'docs/json')))
      place(`${doc}/docs/json/${file}`, read(`docs/json/${file}`));
    place(`${doc}/NEWS.md.gz`, zip(read('CHANGELOG.md')));
    place(`${doc}/changelog.gz`, zip(changelog(text.name, version, epoch)));
    const bundled = bundledPackages();
    const notices = debianNotices(noticesText(bundled, form));
    place(`${doc}/copyright`, `${read('packaging/debian/copyright')}\n${notices}`);
    place(`${doc}/sbom.cdx.json`, sbomText(bundled, form, epoch));
    place(
      `/usr/share/lintian/overrides/${text.name}`,
      overrides(read('packaging/debian/lintian-overrides'), text.name, form),
    );

    const size = Math.ceil(filesBelow(tree).reduce((sum, file) => sum + lstatSync(file).size, 0) / 1024);
    const values: Readonly<Record<string, string>> = {
      NAME: text.name,
      VERSION: version,
      ARCHITECTURE: text.architecture,
      SIZE: String(size),
      DEPENDS: text.depends,
      RECOMMENDS: text.recommends,
      PROVIDES: text.provides,
      CONFLICTS: text.conflicts,
      FORM: text.form,
      UNITS: units.join(' '),
      LINKS: scripts.map((script) => `/etc/xen/scripts/${LINKS[script]}`).join(' '),
      FAREWELL: read('xen-scripts/farewell'),
    };
    const filled = (file: string): string =>
      read(`packaging/debian/${file}`).replaceAll(/@([A-Z]+)@/g, (mark, name: string) => values[name] ?? mark);
    // A field without a value is none.
    place('/DEBIAN/control', filled('control').replaceAll(/^[A-Z][\w-]*: *\n/gm, ''));
    place('/DEBIAN/conffiles', `${POLICY}\n`);
    for (const script of ['preinst', 'postinst', 'prerm', 'postrm']) place(`/DEBIAN/${script}`, filled(script), 0o755);
    place('/DEBIAN/md5sums', md5sums(tree));

    for (const path of [...filesBelow(tree), ...foldersBelow(tree)]) lutimesSync(path, epoch, epoch);
    mkdirSync(into, { recursive: true });
    const result = join(into, `${text.name}_${version}_${text.architecture}.deb`);
    // One thread: xz writes other bytes with several, and their number is that of the CPUs.
    execFileSync(
      'dpkg-deb',
      [
        '--root-owner-group',
        '--threads-max=1',
        ...(options.compressed === false ? ['-Znone'] : text.compression),
        '--build',
        tree,
        result,
      ],
      {
        env: { PATH: process.env.PATH, LC_ALL: 'C', SOURCE_DATE_EPOCH: String(epoch) },
        stdio: ['ignore', 'ignore', 'inherit'],
      },
    );
    return result;
  } finally {
    rmSync(tree, { recursive: true, force: true });
  }
}

/** That of package.json. */
export function programVersion(): string {
  const { version } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { version: string };
  return version;
}

function md5sums(tree: string): string {
  const files = filesBelow(tree)
    .filter((file) => lstatSync(file).isFile() && !file.startsWith(join(tree, 'DEBIAN/')))
    .map((file) => file.slice(tree.length + 1))
    .filter((file) => `/${file}` !== POLICY)
    .sort();
  return execFileSync('md5sum', files, { cwd: tree, encoding: 'utf8' });
}

function filesBelow(tree: string): string[] {
  return entriesBelow(tree).filter((path) => !lstatSync(path).isDirectory());
}

function foldersBelow(tree: string): string[] {
  return [...entriesBelow(tree).filter((path) => lstatSync(path).isDirectory()), tree];
}

function entriesBelow(tree: string): string[] {
  return readdirSync(tree, { recursive: true, encoding: 'utf8' }).map((name) => join(tree, name));
}

/** Debian has the texts of common licences once, and wants no copy of them. */
function debianNotices(text: string): string {
  const apache = /^ *Apache License\n *Version 2\.0[\s\S]*?limitations under the License\.$/gm;
  return text
    .replaceAll(apache, 'The text is in /usr/share/common-licenses/Apache-2.0.')
    .replace(
      /^bun itself .*$/m,
      '$&\n(the texts of LGPL and GPL are in /usr/share/common-licenses/LGPL-2 and beside it)',
    );
}

/** In the form of deb-changelog(5); what has changed is in NEWS.md.gz. */
function changelog(name: string, version: string, epoch: number): string {
  const date = new Date(epoch * 1000).toUTCString().replace('GMT', '+0000');
  const who = 'The xen-vif-bridge authors <xen-vif-bridge@packages.invalid>';
  return `${name} (${version}) stable; urgency=medium\n\n  * What has changed: NEWS.md.gz\n\n -- ${who}  ${date}\n`;
}

/** Lines of the other form are left out; `@NAME@` is the package. */
function overrides(text: string, name: string, form: Form): string {
  const lines = text.split('\n').filter((line) => !line.startsWith('[') || line.startsWith(`[${form}] `));
  return lines.map((line) => line.replace(/^\[\w+\] /, '').replaceAll('@NAME@', name)).join('\n');
}

function debianArchitecture(): string {
  return process.arch === 'x64' ? 'amd64' : process.arch;
}

/** SOURCE_DATE_EPOCH, or the time of the commit; an archive without a repository has that of its package.json. */
export function sourceDate(): number {
  const given = process.env.SOURCE_DATE_EPOCH;
  if (given !== undefined && /^\d+$/.test(given)) return Number(given);
  try {
    const time = execFileSync('git', ['log', '-1', '--format=%ct'], {
      cwd: ROOT,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    return Number(time.trim());
  } catch {
    return Math.trunc(lstatSync(join(ROOT, 'package.json')).mtimeMs / 1000);
  }
}

if (process.argv[1] !== undefined && import.meta.url.endsWith(process.argv[1].split('/').at(-1) ?? ' ')) {
  const wanted = process.argv.slice(2);
  const forms: readonly Form[] = ['standalone', 'node'];
  const unknown = wanted.find((word) => !forms.some((form) => form === word));
  if (unknown !== undefined) throw new Error(`${unknown}: one of ${forms.join(', ')}`);
  for (const form of forms.filter((one) => wanted.length === 0 || wanted.includes(one))) {
    const script = form === 'standalone' ? 'build:standalone' : 'build';
    execFileSync('npm', ['run', '--silent', script], { cwd: ROOT, stdio: ['ignore', 'ignore', 'inherit'] });
    console.log(makePackage(form, join(ROOT, 'dist'), { epoch: sourceDate() }));
  }
}
