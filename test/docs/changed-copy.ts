import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import ts from 'typescript';
import { textDigest } from '../../src/text-digest.ts';

export const ROOT = fileURLToPath(new URL('../../', import.meta.url));

/**
 * What somebody does to the program's source, by file: the text of a new one, or places that become something else. A
 * place is known by a text that stands in the file only once.
 */
export type Edits = Readonly<Record<string, string | readonly Change[]>>;
export interface Change {
  readonly place: string;
  readonly becomes: string;
}

/** Lines put behind another one, which is known by its end. */
export function behind(line: string, ...lines: readonly string[]): Change {
  return { place: `${line}\n`, becomes: `${[line, ...lines].join('\n')}\n` };
}

/** The text of a file after an edit. @throws Error if the file is not as the edit expects it */
function edited(file: string, edit: string | readonly Change[]): string {
  if (typeof edit === 'string') return edit;
  return edit.reduce(
    (text, { place, becomes }) => {
      const parts = text.split(place);
      if (parts.length !== 2) throw new Error(`${file}: ${parts.length - 1} places ${JSON.stringify(place)}`);
      return parts.join(becomes);
    },
    readFileSync(join(ROOT, file), 'utf8'),
  );
}

/** Parsed once for all compilations; an edited file is parsed anew. */
const PARSED = new Map<string, ts.SourceFile>();
/** The compilation before: of the next one, only what its edits reach is judged anew (half the time of all). */
let last: ts.SemanticDiagnosticsBuilderProgram | undefined;

/** The files of `src` in which the compiler finds fault after the edits, with what it says first. */
export function faults(edits: Edits): Map<string, string> {
  const config = ts.parseJsonConfigFileContent(
    ts.readConfigFile(join(ROOT, 'tsconfig.json'), ts.sys.readFile).config,
    ts.sys,
    ROOT,
  );
  const changed = new Map(Object.entries(edits).map(([file, edit]) => [join(ROOT, file), edited(file, edit)]));
  const host = ts.createCompilerHost(config.options);
  const { fileExists, readFile } = host;
  const folders = new Set([...changed.keys()].map((file) => dirname(file)));
  host.directoryExists = (folder) => folders.has(folder) || ts.sys.directoryExists(folder);
  host.fileExists = (file) => changed.has(file) || fileExists(file);
  host.readFile = (file) => changed.get(file) ?? readFile(file);
  host.getSourceFile = (file, options) => {
    const known = changed.has(file) ? undefined : PARSED.get(file);
    if (known !== undefined) return known;
    const text = host.readFile(file);
    if (text === undefined) return undefined;
    const parsed = Object.assign(ts.createSourceFile(file, text, options), { version: textDigest(text) });
    if (!changed.has(file)) PARSED.set(file, parsed);
    return parsed;
  };
  const roots = [...config.fileNames.filter((file) => file.startsWith(join(ROOT, 'src/'))), ...changed.keys()];
  last = ts.createSemanticDiagnosticsBuilderProgram([...new Set(roots)], config.options, host, last);
  const found = [...last.getGlobalDiagnostics(), ...last.getSyntacticDiagnostics(), ...last.getSemanticDiagnostics()];
  const said = new Map<string, string>();
  for (const { file, messageText } of found) {
    const name = file === undefined ? 'tsconfig.json' : relative(ROOT, file.fileName);
    if (!said.has(name)) said.set(name, ts.flattenDiagnosticMessageText(messageText, '\n'));
  }
  return said;
}

export interface Printed {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A copy of the source with edits, built. */
export interface Copy {
  /** Its folder, with everything that the project has; it goes when the test ends. */
  readonly folder: string;
  /** Runs the program. Nothing of this machine's is read or written by it but devices. */
  vifBridge(...args: readonly string[]): Printed;
}

/** Builds one as src/build/bundle.ts does. @throws what esbuild finds wrong */
export async function changedCopy(t: { after(cleanUp: () => unknown): void }, edits: Edits): Promise<Copy> {
  const folder = mkdtempSync(join(tmpdir(), 'xvb-what-if-'));
  t.after(() => rmSync(folder, { recursive: true }));
  cpSync(join(ROOT, 'src'), join(folder, 'src'), { recursive: true });
  for (const name of ['node_modules', 'package.json', 'README.md', 'docs', 'test']) {
    symlinkSync(join(ROOT, name), join(folder, name));
  }
  for (const [file, edit] of Object.entries(edits)) {
    mkdirSync(join(folder, dirname(file)), { recursive: true });
    writeFileSync(join(folder, file), edited(file, edit));
  }
  const bundle = join(folder, 'vif-bridge.cjs');
  await build({
    absWorkingDir: folder,
    entryPoints: ['src/main.ts'],
    outfile: bundle,
    bundle: true,
    platform: 'node',
    format: 'cjs',
    target: 'node20',
    define: { VIF_BRIDGE_VERSION: '"a changed copy"' },
    external: ['bun:ffi'],
    logLevel: 'error',
  });
  const env = { PATH: process.env.PATH, VIF_BRIDGE_STATE_DIR: join(folder, 'state') };
  return {
    folder,
    vifBridge: (...args) => spawnSync(process.execPath, [bundle, ...args], { cwd: folder, encoding: 'utf8', env }),
  };
}
