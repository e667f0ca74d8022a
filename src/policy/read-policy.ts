import { readFileSync } from 'node:fs';
import { Failure } from '../errors.ts';
import { parsePolicy } from './parse-policy.ts';
import { DEFAULT_POLICY, type Policy } from './policy.ts';

export const DEFAULT_POLICY_FILE = '/etc/xen/vif-bridge.ini';

/**
 * The policy of this host. A missing file at the default place means the defaults; a file that was named must exist.
 *
 * @throws Failure `input` for a file that is broken or cannot be read: guessing what an admin meant is not safe
 */
export function readPolicy(named: string | undefined): Policy {
  const file = named ?? DEFAULT_POLICY_FILE;
  try {
    return parsePolicy(readFileSync(file, 'utf8'), file);
  } catch (error) {
    if (error instanceof Failure) throw error;
    const code = (error as NodeJS.ErrnoException).code ?? 'error';
    if (code === 'ENOENT' && named === undefined) return DEFAULT_POLICY;
    throw new Failure('input', `cannot read the policy file (${code})`, {
      at: file,
      hint: 'correct --config or the file',
    });
  }
}
