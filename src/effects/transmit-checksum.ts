/**
 * Asks a device, or tells it, whether it may leave checksums to whoever takes its frames (`ethtool -k DEV`,
 * tx-checksumming).
 *
 * @param off true to switch it off first
 * @returns what is so now; undefined if the kernel refused, or could not be asked: then `ethtool` is to do it, which
 * says why not
 */
export type TransmitChecksum = (device: string, off: boolean) => Promise<boolean | undefined>;

/** linux/sockios.h, linux/ethtool.h */
const SIOCETHTOOL = 0x8946;
const ETHTOOL_GTXCSUM = 0x16;
const ETHTOOL_STXCSUM = 0x17;
const AF_INET = 2;
const SOCK_DGRAM = 2;
const SOCK_CLOEXEC = 0o2000000;
/** struct ifreq: a name, and a pointer to struct ethtool_value: command, value. */
const IFREQ_BYTES = 40;
const IFNAMSIZ = 16;

/** By the C library of the standalone executable, by way of bun:ffi; undefined with Node, which has no ioctl(2). */
export const transmitChecksum: TransmitChecksum | undefined = process.versions.bun === undefined ? undefined : ask;

async function ask(device: string, off: boolean): Promise<boolean | undefined> {
  try {
    const { dlopen, ptr } = await import('bun:ffi');
    const { symbols } = dlopen('libc.so.6', {
      socket: { args: ['i32', 'i32', 'i32'], returns: 'i32' },
      ioctl: { args: ['i32', 'u64', 'ptr'], returns: 'i32' },
      close: { args: ['i32'], returns: 'i32' },
    });
    const socket = symbols.socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    const value = new Uint32Array(2);
    const request = new Uint8Array(IFREQ_BYTES);
    request.set(new TextEncoder().encode(device).subarray(0, IFNAMSIZ - 1));
    new DataView(request.buffer).setBigUint64(IFNAMSIZ, BigInt(ptr(value)), true);
    const done = (command: number): boolean => {
      value.set([command, 0]);
      return symbols.ioctl(socket, SIOCETHTOOL, request) === 0;
    };
    const known = (!off || done(ETHTOOL_STXCSUM)) && done(ETHTOOL_GTXCSUM);
    symbols.close(socket);
    return known ? value[1] !== 0 : undefined;
  } catch {
    // No such library, or no memory for code (a hardened kernel).
    return undefined;
  }
}
