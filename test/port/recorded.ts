import { readFileSync } from 'node:fs';

/** Versions of iproute2 whose output is in the folder recorded/. */
export const VERSIONS = ['6.1', '6.15'] as const;

export type Version = (typeof VERSIONS)[number];

/** What a command printed; see recorded/README.md. */
export function recorded(what: 'link' | 'address' | 'fdb', version: Version): string {
  return readFileSync(new URL(`recorded/${what}-${version}`, import.meta.url), 'utf8');
}
