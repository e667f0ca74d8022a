import { guestNamed } from '../guest.ts';
import { leftovers } from '../leftovers.ts';
import { makeNetwork } from '../network.ts';
import { configure, createA, createV, pingFrom } from '../people.ts';
import type { Scenario } from '../scenario.ts';
import { checkPicture, sendCorpus } from '../traffic.ts';

/** A guest goes to disk and comes back, and moves to "another" host that is the same one. */
export const saveRestore: Scenario = {
  name: 'save-restore',
  script: 'product',
  minutes: 10,
  play: async (host, record) => {
    const { G } = host.corpus.hosts;
    await makeNetwork(host);
    const first = await createA(host);
    const v = await createV(host);
    await configure(host, first, 'A');
    const save = await host.run('xl save a /tmp/a.save', 120);
    record.check('xl save works', save.status === 0, save.stdout + save.stderr);
    const restore = await host.run('xl restore /tmp/a.save; status=$?; rm -f /tmp/a.save; exit $status', 120);
    record.check('xl restore works', restore.status === 0, restore.stdout + restore.stderr);
    const a = guestNamed(host, 'a');
    const trouble = await pingFrom(a, G.ipv4);
    record.check('the restored guest reaches the gateway with the addresses it had', trouble === '', trouble);
    checkPicture(host, record, await sendCorpus(host, a, v), 'after a restore');

    // xl asks "ssh HOST COMMAND"; this one is already there.
    await host.sh(`printf '#!/bin/sh\\nshift\\nexec "$@"\\n' >/run/here; chmod +x /run/here`);
    const move = await host.run('xl migrate -s /run/here a localhost', 180);
    if (move.stderr.includes('Failed to enable logdirty'))
      record.note(
        'migration to localhost: this emulated Xen cannot log dirty pages of a PV guest, so it is not tested',
      );
    else record.check('migration to localhost works', move.status === 0, move.stdout + move.stderr);
    if (move.status === 0) {
      const answer = await pingFrom(guestNamed(host, 'a'), G.ipv4);
      record.check('the migrated guest reaches the gateway', answer === '', answer);
      checkPicture(host, record, await sendCorpus(host, guestNamed(host, 'a'), v), 'after a migration');
    }
    await host.sh('xl destroy a; xl destroy v');
    const rest = await leftovers(host);
    record.check('nothing is left', rest === '', rest);
  },
};
