import { readFileSync } from 'node:fs';
import { Script } from 'node:vm';

/**
 * What V8 has compiled of a bundle, in a file beside it: `vif-bridge.cjs.v8`. Node 20 has no such cache of its own, and
 * that of later versions wants a folder it may write to.
 *
 * V8 itself only compares the length of the text, its own version and its flags. So the cache begins with a line that
 * says what it is for, as long as a multiple of what V8 wants its data aligned to.
 */
const HEADER_BYTES = 128;

/** The line that a cache of this bundle, for this Node, begins with. A bundle names itself in its first line. */
function header(source: string): string {
  const name = source.slice(0, source.indexOf('\n'));
  return `${`${name} ${process.version} ${process.arch}`.padEnd(HEADER_BYTES - 1)}\n`;
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
  const source = readFileSync(bundle, 'latin1');
  const script = new Script(`(function (require) {${source}\n})`, {
    filename: bundle,
    cachedData: cached(bundle, header(source)),
  });
  return {
    script,
    start: script.runInThisContext() as (load: NodeJS.Require) => void,
    compiled: () => Buffer.concat([Buffer.from(header(source), 'latin1'), script.createCachedData()]),
  };
}

/** True if V8 took what the cache holds. */
export function isFromCache({ script }: BundleScript): boolean {
  return script.cachedDataRejected === false;
}

/** Undefined without a cache, and for one of another bundle or another Node: then V8 compiles as it runs. */
function cached(bundle: string, wanted: string): Buffer | undefined {
  try {
    const content = readFileSync(cacheFile(bundle));
    return content.toString('latin1', 0, HEADER_BYTES) === wanted ? content.subarray(HEADER_BYTES) : undefined;
  } catch {
    return undefined;
  }
}
