import { guestNamed } from '../guest.ts';
import { leftovers } from '../leftovers.ts';
import { makeNetwork, useScript } from '../network.ts';
import { configure, createA, createV, pingFrom } from '../people.ts';
import type { Scenario } from '../scenario.ts';

/** A guest that was started by the stock script before ours ran for the first time lives on beside managed guests. */
export const stockNeighbour: Scenario = {
  name: 'stock-neighbour',
  script: 'product',
  minutes: 6,
  play: async (host, record, script) => {
    const { A, V, G } = host.corpus.hosts;
    await makeNetwork(host);
    await useScript(host, 'stock');
    const v = await createV(host);
    await configure(host, v, 'V');
    await useScript(host, script);
    const a = await createA(host);
    await configure(host, a, 'A');
    for (const [what, guest, address] of [
      ['the stock guest reaches the gateway over IPv4', v, G.ipv4],
      ['the stock guest reaches the gateway over IPv6', v, G.ipv6],
      ['the managed guest reaches the gateway', a, G.ipv4],
      ['the stock guest reaches the managed guest', v, A.ipv4],
      ['the managed guest reaches the stock guest', a, V.ipv6],
    ] as const) {
      const trouble = await pingFrom(guest, address);
      record.check(what, trouble === '', trouble);
    }
    await host.sh('xl destroy a');
    const trouble = await pingFrom(guestNamed(host, 'v'), G.ipv4);
    record.check('the stock guest goes on after the managed one has gone', trouble === '', trouble);
    await host.sh('xl destroy v');
    const rest = await leftovers(host);
    record.check('nothing is left of either', rest === '', rest);
  },
};
