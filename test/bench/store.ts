import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

export type Question = { readonly load: Readonly<Record<string, string>> } | { readonly read: readonly string[] };
export type Answer = { readonly socket: string } | { readonly values: readonly (string | null)[] };

/** A xenstored in a process of its own. */
export interface Store {
  /** For XENSTORED_PATH. */
  readonly socket: string;
  load(keys: Readonly<Record<string, string>>): Promise<void>;
  /** The values of these nodes; null for one that is not there. */
  read(paths: readonly string[]): Promise<readonly (string | null)[]>;
  stop(): Promise<void>;
}

/** Starts it; returns when it listens. */
export async function startStore(): Promise<Store> {
  const child = fork(fileURLToPath(new URL('store-process.ts', import.meta.url)), [], {
    execArgv: ['--import', 'tsx'],
  });
  const answer = async (): Promise<Answer> => {
    const [message] = (await once(child, 'message')) as [Answer];
    return message;
  };
  const first = await answer();
  if (!('socket' in first)) throw new Error('the xenstored process did not start');
  const ask = async (question: Question): Promise<readonly (string | null)[]> => {
    const answered = answer();
    child.send(question);
    const message = await answered;
    return 'values' in message ? message.values : [];
  };
  return {
    socket: first.socket,
    load: async (load) => void (await ask({ load })),
    read: (read) => ask({ read }),
    async stop() {
      const ended = once(child, 'exit');
      child.disconnect();
      await ended;
    },
  };
}
