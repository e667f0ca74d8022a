import { symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { execa } from 'execa';
import type { HostParts } from './dom0-image.ts';

/** A running machine. `ended` settles, never rejects, when it is gone, with what QEMU itself had to say. */
export interface Machine {
  readonly serialLog: string;
  readonly controlSocket: string;
  readonly ended: Promise<string>;
  stop(): Promise<void>;
}

/**
 * By default Xen hands over SSE registers only when a domain touches them, and under emulation that goes wrong: a
 * process of dom0 finds those of another domain's process in its own (measured with known patterns in xmm0-15: 7 of
 * 304 rounds with one guest, none of 16 771 with this). Node then dies of a segmentation fault, grep never ends.
 */
const EAGER_FPU = 'spec-ctrl=eager-fpu';

/**
 * Xen dies of a page fault in dom0 with SMAP under emulation. RDTSCP in an HVM guest leaves it as if it had been RDTSC,
 * and Xen kills the guest for it ("SVM Insn len emulation failed"). The others only cost time.
 */
const CPU = 'max,-smap,-smep,-pku,-la57,-avx,-avx2,-fma,-f16c,-rdtscp';

/**
 * Boots Xen and dom0 under QEMU without hardware support. Nothing is written to the cached disk.
 * @param runFolder where the serial log and the control socket go; a short path, for a socket's has at most 107 bytes
 * @param runDrive a read-only ext4 image that dom0 mounts as /mnt/run
 */
export function bootMachine(parts: HostParts, runFolder: string, runDrive: string): Machine {
  // QEMU splits -initrd at commas and blanks: names without a path are safe wherever the project lies.
  for (const [name, path] of [
    ['xen.elf', parts.hypervisor],
    ['vmlinux', parts.kernel],
    ['dom0-initrd.gz', parts.initrd],
  ] as const)
    symlinkSync(path, join(runFolder, name));
  symlinkSync(parts.disk, join(runFolder, 'dom0.img'));
  symlinkSync(runDrive, join(runFolder, 'run.img'));
  const args = [
    ...['-accel', 'tcg,thread=multi', '-cpu', CPU, '-smp', '2', '-m', '3072', '-no-reboot', '-net', 'none'],
    ...['-display', 'none', '-monitor', 'none', '-serial', 'file:serial.log'],
    ...[
      '-kernel',
      'xen.elf',
      '-append',
      `console=com1 com1=115200,8n1 dom0_mem=1536M,max:1536M no-real-mode edd=off ${EAGER_FPU}`,
    ],
    ...['-initrd', 'vmlinux console=hvc0 panic=-1,dom0-initrd.gz'],
    ...['-drive', 'file=dom0.img,format=raw,if=virtio,snapshot=on'],
    ...['-drive', 'file=run.img,format=raw,if=virtio,readonly=on'],
    ...['-device', 'virtio-serial-pci', '-chardev', 'socket,id=control,path=control,server=on,wait=off'],
    ...['-device', 'virtserialport,chardev=control,name=control'],
  ];
  // The kernel ends QEMU with this process, however that ends.
  const child = execa('setpriv', ['--pdeathsig', 'KILL', 'qemu-system-x86_64', ...args], {
    cwd: runFolder,
    reject: false,
    stdin: 'ignore',
    all: true,
  });
  return {
    serialLog: join(runFolder, 'serial.log'),
    controlSocket: join(runFolder, 'control'),
    ended: child.then((result) => result.all || `QEMU ended with status ${result.exitCode ?? result.signal}`),
    stop: async () => {
      child.kill('SIGKILL');
      await child;
    },
  };
}
