import { readFileSync } from 'node:fs';
import { HarnessError } from './command.ts';
import { type Control, connectControl, type Ended } from './control.ts';
import type { Corpus } from './corpus.ts';
import type { HostParts } from './dom0-image.ts';
import type { Form } from './network.ts';
import { bootMachine } from './qemu.ts';
import { makeRunDrive } from './run-drive.ts';

/** A booted Xen host. */
export interface BootedHost {
  readonly corpus: Corpus;
  /** Runs a bash script in dom0 whatever its exit status. @param seconds it is killed then, with status 137 */
  run(script: string, seconds?: number): Promise<Ended>;
  /** Runs a bash script in dom0 and returns its stdout. @throws HarnessError if it fails */
  sh(script: string, seconds?: number): Promise<string>;
  /** False when the host hung or ended: it must not be used any more. */
  alive(): Promise<boolean>;
  stop(): Promise<void>;
}

/** A Xen host, seen from a scenario. */
export interface XenHost extends BootedHost {
  /** The form of the product that is under test. */
  readonly form: Form;
}

/**
 * Builds the run drive and boots. Takes about 12 s on two idle cores.
 * @param runFolder temporary files, the serial console's log among them
 * @throws HarnessError with the end of the serial console's log if dom0 does not come up
 */
export async function bootXenHost(parts: HostParts, corpus: Corpus, runFolder: string): Promise<BootedHost> {
  const machine = bootMachine(parts, runFolder, await makeRunDrive(parts, corpus, runFolder));
  let control: Control;
  try {
    control = await connectControl(machine.controlSocket, machine.ended, 240);
  } catch (error) {
    await machine.stop();
    const serial = readFileSync(machine.serialLog, 'utf8').split('\n').slice(-30).join('\n');
    throw new HarnessError(`${(error as Error).message}\n--- end of the serial console's log\n${serial}`);
  }
  const run: XenHost['run'] = (script, seconds) => control.run(script, seconds);
  return {
    corpus,
    run,
    sh: async (script, seconds) => {
      const { status, stdout, stderr } = await run(script, seconds);
      if (status !== 0) throw new HarnessError(`in dom0, status ${status}: ${script}\n${stdout}${stderr}`);
      return stdout;
    },
    alive: async () => {
      try {
        return (await control.run('xl list', 30)).status === 0;
      } catch {
        return false;
      }
    },
    stop: async () => {
      control.close();
      await machine.stop();
    },
  };
}
