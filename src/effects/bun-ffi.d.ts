/** What the program uses of bun's foreign function interface; only the standalone executable has it. */
declare module 'bun:ffi' {
  type FfiType = 'i32' | 'u64' | 'i64_fast' | 'ptr';
  interface Signature {
    readonly args: readonly FfiType[];
    readonly returns: FfiType;
  }
  /** The address of the bytes. */
  export function ptr(bytes: Uint8Array | Uint32Array): number;
  export function dlopen<T extends Readonly<Record<string, Signature>>>(
    library: string,
    signatures: T,
  ): { readonly symbols: { readonly [name in keyof T]: (...args: readonly (number | Uint8Array)[]) => number } };
}
