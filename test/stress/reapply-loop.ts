/**
 * Re-applies again and again in one process, with the program's own code; the test starts it in its namespace.
 *
 * Arguments: how often, and vifs, or `--all`. It prints how many it did.
 */
import { throwFailures } from '../../src/commands/reapplied.ts';
import { reapply, reapplyAll } from '../../src/commands/reapply.ts';
import { syslog } from '../../src/effects/log.ts';
import { readPolicy } from '../../src/policy/read-policy.ts';
import { systemHost } from '../../src/system-host.ts';

const [times = '1', ...vifs] = process.argv.slice(2);
const log = syslog(false);
const host = systemHost({
  policy: readPolicy(process.env.VIF_BRIDGE_CONFIG),
  stateDirectory: process.env.VIF_BRIDGE_STATE_DIR ?? '',
  who: 'reapply',
  log,
  deadlineMs: 600_000,
});
let done = 0;
try {
  for (; done < Number(times); done += 1) {
    throwFailures(await (vifs[0] === '--all' ? reapplyAll(host) : reapply(host, vifs)));
  }
} finally {
  await log.deliver(host.run);
}
process.stdout.write(`${done}\n`);
