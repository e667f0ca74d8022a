import { Failure } from '../errors.ts';
import type { RunTool } from './exec.ts';

/** A frame at a device, in hexadecimal. */
export interface DeviceFrame {
  readonly device: string;
  readonly hex: string;
}

/**
 * Sends frames, each by its device, and says which frames came in at any of the devices meanwhile. Needs packet
 * sockets (packet(7)): the standalone executable opens them itself; Node has no way to them, so perl does, which every
 * Debian has (perl-base is essential).
 *
 * @throws Failure `not-installed`, `tool`
 */
export async function exchange(
  run: RunTool,
  devices: readonly string[],
  frames: readonly DeviceFrame[],
): Promise<DeviceFrame[]> {
  if (process.versions.bun !== undefined) return exchangeByItself(devices, frames);
  const input = frames.map(({ device, hex }) => `${device} ${hex}\n`).join('');
  const { status, stdout, stderr } = await run('perl', ['-e', PERL, ...devices], {
    input,
    lockless: true,
    timeoutMs: 30_000,
  });
  if (status !== 0) throw new Failure('tool', `perl: ${stderr.trim()}`);
  return stdout.split('\n').flatMap((line) => {
    const [device, hex] = line.split(' ');
    return device === undefined || hex === undefined ? [] : [{ device, hex }];
  });
}

const AF_PACKET = 17;
const SOCK_RAW = 3;
const ETH_P_ALL = 3;
/** packet(7): what this host sends itself is not heard. */
const PACKET_OUTGOING = 4;
/** After each frame, and after the last one. */
const PAUSE_MS = 4;
const LAST_MS = 300;

/** Numbers in place of module Socket's names, which perl-base has not for packet sockets. */
const PERL = `
use strict; use warnings;
my (%socket, %name);
for my $device (@ARGV) {
  open(my $file, '<', "/sys/class/net/$device/ifindex") or die "$device: $!\\n";
  my $index = <$file> + 0;
  socket(my $socket, ${AF_PACKET}, ${SOCK_RAW}, unpack('S', pack('n', ${ETH_P_ALL}))) or die "socket: $!\\n";
  bind($socket, pack('SnlSCCa8', ${AF_PACKET}, ${ETH_P_ALL}, $index, 0, 0, 0, '')) or die "bind $device: $!\\n";
  $socket{$device} = $socket;
  $name{fileno($socket)} = $device;
}
sub hear {
  my ($seconds) = @_;
  for (;;) {
    my $ready = '';
    vec($ready, fileno($_), 1) = 1 for values %socket;
    return if select($ready, undef, undef, $seconds) <= 0;
    for my $socket (values %socket) {
      next unless vec($ready, fileno($socket), 1);
      my $from = recv($socket, my $frame, 65536, 0x40);
      next unless defined $from;
      next if (unpack('SnlSCCa8', $from))[4] == ${PACKET_OUTGOING};
      print $name{fileno($socket)}, ' ', unpack('H*', $frame), "\\n";
    }
    $seconds = 0;
  }
}
while (my $line = <STDIN>) {
  my ($device, $hex) = split ' ', $line;
  send($socket{$device}, pack('H*', $hex), 0) or die "send $device: $!\\n";
  hear(${PAUSE_MS / 1000});
}
hear(${LAST_MS / 1000});
hear(0.05) for 1 .. 3;
`;

/** struct sockaddr_ll: family, protocol, index, hatype, pkttype, halen, address. */
const SOCKADDR_LL = 20;
const MSG_DONTWAIT = 0x40;

async function exchangeByItself(devices: readonly string[], frames: readonly DeviceFrame[]): Promise<DeviceFrame[]> {
  const { dlopen, ptr } = await import('bun:ffi');
  const { readFileSync } = await import('node:fs');
  const { symbols } = dlopen('libc.so.6', {
    socket: { args: ['i32', 'i32', 'i32'], returns: 'i32' },
    bind: { args: ['i32', 'ptr', 'i32'], returns: 'i32' },
    send: { args: ['i32', 'ptr', 'u64', 'i32'], returns: 'i64_fast' },
    recvfrom: { args: ['i32', 'ptr', 'u64', 'i32', 'ptr', 'ptr'], returns: 'i64_fast' },
    close: { args: ['i32'], returns: 'i32' },
  });
  const sockets = new Map<string, number>();
  const failed = (what: string): Failure => new Failure('tool', `${what} failed for a packet socket`);
  const heard: DeviceFrame[] = [];
  const frame = new Uint8Array(65_536);
  const from = new Uint8Array(SOCKADDR_LL);
  const length = new Uint32Array(1);
  const hear = (): void => {
    for (const [device, socket] of sockets) {
      for (;;) {
        length[0] = SOCKADDR_LL;
        const size = symbols.recvfrom(socket, frame, frame.length, MSG_DONTWAIT, from, ptr(length));
        if (size <= 0) break;
        if (from[10] === PACKET_OUTGOING) continue;
        heard.push({ device, hex: Buffer.from(frame.subarray(0, size)).toString('hex') });
      }
    }
  };
  try {
    for (const device of devices) {
      const index = Number(readFileSync(`/sys/class/net/${device}/ifindex`, 'utf8'));
      // Both numbers of the protocol are in network order.
      const socket = symbols.socket(AF_PACKET, SOCK_RAW, ETH_P_ALL << 8);
      if (socket < 0) throw failed('socket');
      sockets.set(device, socket);
      const address = new DataView(new ArrayBuffer(SOCKADDR_LL));
      address.setUint16(0, AF_PACKET, true);
      address.setUint16(2, ETH_P_ALL, false);
      address.setInt32(4, index, true);
      if (symbols.bind(socket, new Uint8Array(address.buffer), SOCKADDR_LL) !== 0) throw failed(`bind to ${device}`);
    }
    for (const { device, hex } of frames) {
      const bytes = Uint8Array.from(Buffer.from(hex, 'hex'));
      const socket = sockets.get(device);
      if (socket === undefined || symbols.send(socket, bytes, bytes.length, 0) < 0) throw failed(`send by ${device}`);
      await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
      hear();
    }
    await new Promise((resolve) => setTimeout(resolve, LAST_MS));
    hear();
    return heard;
  } finally {
    for (const socket of sockets.values()) symbols.close(socket);
  }
}
