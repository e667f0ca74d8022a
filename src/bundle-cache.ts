import { closeSync, openSync, readFileSync, readSync } from 'node:fs';
import { Script } from 'node:vm';
import { crc32 } from 'node:zlib';

/**
 * What V8 has compiled of a bundle, in a file beside it: `vif-bridge.cjs.v8`. Node 20 has no such cache of its own, and
 * that of later versions wants a folder it may write to.
 *
 * V8 itself only compares the length of the text, its own version and its flags. So the cache begins with a line that
 * says what it is for, as long as a multiple of what V8 wants its data aligned to.
 */
const HEADER_BYTES = 128;

/** The line that such a cache of this bundle, for this Node, begins with. A bundle names itself in its first line. */
function header(source: string, data: Uint8Array): string {
  const name = source.slice(0, source.indexOf('\n'));
  return `${`${name} ${process.version} ${process.arch} ${checksum(data)}`.padEnd(HEADER_BYTES - 1)}\n`;
}

/**
 * A bundle's first line: what it was built of, and a checksum of all that follows. The third word is `build`.
 *
 * @param build the sources (src/build/source.ts)
 */
export function firstLine(build: string, text: Uint8Array): string {
  return `// vif-bridge ${build} ${checksum(text)}\n`;
}

/**
 * Eight digits: it finds what a full disk or an interrupted copy left, in a tenth of a millisecond, and protects from
 * nobody.
 */
function checksum(bytes: Uint8Array): string {
  return crc32(bytes).toString(16).padStart(8, '0');
}

/** @throws Error if the bundle is not what was built: cut, or with other bytes */
function checked(file: Buffer, bundle: string): Buffer {
  const end = file.indexOf('\n') + 1;
  if (!file.toString('latin1', 0, end).endsWith(` ${checksum(file.subarray(end))}\n`)) {
    throw new Error(`${bundle} is damaged: build or copy it again`);
  }
  return file;
}

/** True if two bundles were built of the same sources, as their first lines say. @throws Error if one cannot be read */
export function sameBuild(one: string, other: string): boolean {
  const build = buildName(one);
  return build !== undefined && build === buildName(other);
}

/** The third word of a bundle's first line. */
function buildName(bundle: string): string | undefined {
  const file = openSync(bundle, 'r');
  try {
    const head = Buffer.alloc(HEADER_BYTES);
    const text = head.toString('latin1', 0, readSync(file, head, 0, HEADER_BYTES, 0));
    return /^\/\/ vif-bridge (\S+) /.exec(text)?.[1];
  } finally {
    closeSync(file);
  }
}

/** The path of the cache of a bundle. */
export function cacheFile(bundle: string): string {
  return `${bundle}.v8`;
}

/** A bundle, ready to run. */
export interface BundleScript {
  readonly script: Script;
  /** Starts the program, each time it is called. */
  readonly start: (load: NodeJS.Require) => void;
  /** What V8 has compiled by now, to be written into `cacheFile`. */
  readonly compiled: () => Buffer;
}

/** The bundle in this file; from its cache if that fits. */
export function bundleScript(bundle: string): BundleScript {
  // The bundle is ASCII: reading it as latin1 takes no decoding.
  const source = checked(readFileSync(bundle), bundle).toString('latin1');
  const script = new Script(`(function (require) {${source}\n})`, {
    filename: bundle,
    cachedData: cached(bundle, source),
  });
  return {
    script,
    start: script.runInThisContext() as (load: NodeJS.Require) => void,
    compiled: () => {
      const data = script.createCachedData();
      return Buffer.concat([Buffer.from(header(source, data), 'latin1'), data]);
    },
  };
}

/** True if V8 took what the cache holds. */
export function isFromCache({ script }: BundleScript): boolean {
  return script.cachedDataRejected === false;
}

/**
 * Undefined without a cache, and for one that is damaged (V8 would crash on it), or of another bundle or another Node:
 * then V8 compiles as it runs.
 */
function cached(bundle: string, source: string): Buffer | undefined {
  try {
    const content = readFileSync(cacheFile(bundle));
    const data = content.subarray(HEADER_BYTES);
    return content.toString('latin1', 0, HEADER_BYTES) === header(source, data) ? data : undefined;
  } catch {
    return undefined;
  }
}
