import { create, writeConfig } from '../guest.ts';
import { leftovers } from '../leftovers.ts';
import { BRIDGE, makeNetwork } from '../network.ts';
import { createA } from '../people.ts';
import type { Scenario } from '../scenario.ts';

/** What cannot work is refused, the admin reads why in xl's own output, and nothing is left behind. */
export const refusals: Scenario = {
  name: 'refusals',
  script: 'product',
  minutes: 6,
  play: async (host, record) => {
    const { A } = host.corpus.hosts;
    await makeNetwork(host);
    const cases = [
      {
        what: 'a bridge that does not exist',
        vif: `mac=${A.mac},bridge=nosuch,ip=${A.ipv4}`,
        says: /script: .*nosuch/,
      },
      { what: 'a bridge that is no bridge', vif: `mac=${A.mac},bridge=up0,ip=${A.ipv4}`, says: /script: .*up0/ },
      {
        what: 'an address that is none',
        vif: `mac=${A.mac},bridge=${BRIDGE},ip=10.0.0.300`,
        says: /script: .*10\.0\.0\.300/,
      },
    ];
    for (const { what, vif, says } of cases) {
      const { status, stdout, stderr } = await create(host, { name: 'a', vifs: [vif] });
      const output = stdout + stderr;
      record.check(`xl create with ${what} fails with xl's status 3`, status === 3, `status ${status}\n${output}`);
      record.check(`xl create with ${what} says so`, says.test(output), output);
      if (status === 0) await host.sh('xl destroy a');
    }

    await writeConfig(host, { name: 'a', vifs: [`mac=${A.mac},bridge=${BRIDGE},ip=${A.ipv4}`] });
    const killed = await host.run(
      `( until pid=$(pgrep -f 'vif-bridge.* online type_if=vif'); do sleep 0.02; done; kill -9 $pid ) &
       xl create /run/guests/a.cfg; status=$?; kill %1 2>/dev/null; exit $status`,
      120,
    );
    record.check('a script that is killed fails the creation', killed.status !== 0, killed.stdout + killed.stderr);
    const rest = await leftovers(host);
    record.check('nothing is left of the failed guests', rest === '', rest);

    const a = await createA(host);
    const attach = await host.run(`xl network-attach a mac=00:16:3e:00:00:0a bridge=${BRIDGE} ip=10.0.0.300`, 60);
    record.check(
      'xl network-attach with a bad address fails and says so',
      attach.status !== 0 && /10\.0\.0\.300/.test(attach.stderr),
      `status ${attach.status}\n${attach.stdout}${attach.stderr}`,
    );
    record.check('the guest itself goes on', (await a.sh('echo still here')) === 'still here');
  },
};
