/** Guests that have filters of libvirt's, and a gateway. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import type { Wire } from '../lab/wire.ts';
import type { Dom0 } from './dom0.ts';
import { openRuled } from './play.ts';

/** A folder of filters, by their names, for as long as the test runs. */
export function folderOf(t: TestContext, filters: Readonly<Record<string, string>>): string {
  const folder = mkdtempSync(join(tmpdir(), 'xvb-nwfilter-'));
  t.after(() => rmSync(folder, { recursive: true }));
  for (const [name, text] of Object.entries(filters)) writeFileSync(join(folder, `${name}.xml`), text);
  return folder;
}

/** Both guests run: `guest1` is A, `guest2` is V. */
export async function openFiltered(
  t: TestContext,
  policy: string,
  filters: Readonly<Record<string, string>>,
): Promise<{ dom0: Dom0; wire: Wire; folder: string }> {
  const folder = folderOf(t, filters);
  return { folder, ...(await openRuled(t, `[defaults]\nnwfilter_dir = ${folder}\n${policy}`)) };
}
