/**
 * A short name for a text: 48 bits as hexadecimal digits. It tells versions of our own text apart and protects from
 * nobody; node:crypto would cost every run 1 to 2 ms to load (test/build/loaded-modules.test.ts).
 *
 * Two 32-bit FNV-1a hashes (draft-eastlake-fnv) with different offsets, of UTF-16 units.
 */
export function textDigest(text: string): string {
  return `${hex(fnv1a(text, 0x811c9dc5))}${hex(fnv1a(text, 0x9747b28c)).slice(0, 4)}`;
}

function fnv1a(text: string, offset: number): number {
  let hash = offset;
  for (let index = 0; index < text.length; index += 1) {
    hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193);
  }
  return hash >>> 0;
}

function hex(word: number): string {
  return word.toString(16).padStart(8, '0');
}
