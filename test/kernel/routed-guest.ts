import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { unpacked } from '../guest/programs.ts';
import type { Namespace } from '../lab/namespace.ts';
import type { RoutedSite } from './routed-site.ts';

/** Whether an address is answered, at once or a moment later; asked from another of its own, if it is to be. */
export type Ping = (from: Namespace, to: string, as?: string) => Promise<boolean>;

/** Undefined where there is no busybox: then the test has been skipped. */
export async function pinger(t: TestContext): Promise<Ping | undefined> {
  const found = await unpacked('busybox');
  if (typeof found === 'string') {
    t.skip(found);
    return undefined;
  }
  const busybox = join(found.root, 'bin/busybox');
  return async (from, to, as) => {
    const source = as === undefined ? [] : ['-I', as];
    const ping = to.includes(':') ? 'ping6' : 'ping';
    return (await from.run([busybox, ping, '-c', '2', '-W', '1', ...source, to])).status === 0;
  };
}

/** What `guest-config` prints goes into the guest. */
export async function configureGuest({ dom0 }: RoutedSite, guest: Namespace, vif: string): Promise<void> {
  const { status, stdout, stderr } = await dom0.admin(['guest-config', vif]);
  if (status !== 0) throw new Error(`guest-config: ${stderr}`);
  await guest.check(['sh', '-e'], { input: stdout.replaceAll('/128 dev eth0', '/128 dev eth0 nodad') });
}
