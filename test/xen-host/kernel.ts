import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { command, HarnessError } from './command.ts';

/** The version of the one kernel in a root file system, e.g. "6.1.0-18-amd64". */
export function kernelVersion(root: string): string {
  const [version] = readdirSync(join(root, 'usr/lib/modules'));
  if (version === undefined) throw new HarnessError(`no kernel modules in ${root}`);
  return version;
}

/** The first bytes of a kernel's payload, and what unpacks it: Debian packs with xz up to 12, with zstd since. */
const PACKERS = [
  { magic: 'fd377a585a00', program: 'xz' },
  { magic: '28b52ffd', program: 'zstd' },
] as const;

/**
 * Writes the plain ELF kernel that is packed in a bzImage. Xen takes both; unpacking it is the slowest part of a boot
 * under emulation, and this way it happens once, here.
 * Offsets: Linux Documentation/arch/x86/boot.rst (setup_sects 0x1f1, payload_offset 0x248, payload_length 0x24c).
 */
export async function unpackKernel(bzImage: string, vmlinux: string): Promise<void> {
  const image = readFileSync(bzImage);
  const start = (image.readUInt8(0x1f1) + 1) * 512 + image.readUInt32LE(0x248);
  const payload = image.subarray(start, start + image.readUInt32LE(0x24c));
  const packer = PACKERS.find(({ magic }) => payload.subarray(0, magic.length / 2).toString('hex') === magic);
  if (packer === undefined) throw new HarnessError(`${bzImage} is packed with neither xz nor zstd`);
  const packed = `${vmlinux}.packed`;
  // The kernel's build puts the unpacked size, 4 bytes, behind the stream.
  writeFileSync(packed, payload.subarray(0, -4));
  await command('sh', ['-c', 'exec "$1" --decompress --stdout <"$2" >"$3"', 'sh', packer.program, packed, vmlinux]);
  rmSync(packed);
}

/**
 * The module files needed for `wanted`, dependencies first, as paths below the root; none for what the kernel has in
 * it. From modules.dep, so after depmod.
 */
export function moduleOrder(root: string, wanted: readonly string[]): string[] {
  const base = join('usr/lib/modules', kernelVersion(root));
  const needs = new Map<string, { path: string; deps: string[] }>();
  const key = (path: string) => basename(path).replace(/\.ko$/, '').replaceAll('-', '_');
  for (const line of readFileSync(join(root, base, 'modules.dep'), 'utf8').split('\n')) {
    const [path, deps] = line.split(':');
    if (path && deps !== undefined) needs.set(key(path), { path, deps: deps.split(' ').filter(Boolean).map(key) });
  }
  const builtIn = new Set(
    readFileSync(join(root, base, 'modules.builtin'), 'utf8')
      .split('\n')
      .filter(Boolean)
      .map(key),
  );
  const order: string[] = [];
  const visit = (name: string): void => {
    if (builtIn.has(name)) return;
    const module = needs.get(name);
    if (!module) throw new HarnessError(`kernel module ${name} is not in the Debian kernel`);
    const path = join(base, module.path);
    if (order.includes(path)) return;
    for (const dep of module.deps) visit(dep);
    if (!order.includes(path)) order.push(path);
  };
  for (const name of wanted) visit(name.replaceAll('-', '_'));
  return order;
}
