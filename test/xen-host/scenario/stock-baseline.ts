import { createGuest } from '../guest.ts';
import { makeNetwork } from '../network.ts';
import type { Scenario } from '../scenario.ts';
import { arrived, leaked, sendCorpus } from '../traffic.ts';

/**
 * The picture before: what Debian's own vif-bridge lets through although the guests have ip= in their configuration.
 */
export const stockBaseline: Scenario = {
  name: 'stock-baseline',
  script: 'stock',
  minutes: 5,
  play: async (host, record) => {
    const { A, V } = host.corpus.hosts;
    await makeNetwork(host);
    const a = await createGuest(host, { name: 'a', vifs: [`mac=${A.mac},bridge=xenbr0,ip=${A.ipv4}`] });
    const v = await createGuest(host, { name: 'v', vifs: [`mac=${V.mac},bridge=xenbr0,ip=${V.ipv4}`] });
    const picture = await sendCorpus(host, a, v);

    const from = host.corpus.frames.filter((f) => f.direction === 'from-guest');
    const to = host.corpus.frames.filter((f) => f.direction === 'to-guest');
    const attacks = from.filter((f) => f.expect === 'drop');
    const wrong = to.filter((f) => f.expect === 'drop');
    const legitimate = [...from, ...to].filter((f) => f.expect === 'pass');
    const through = attacks.filter((f) => leaked(picture, f));
    const lost = legitimate.filter((f) => !arrived(picture, f, host));
    record.note(`${through.length} of ${attacks.length} attack frames from the guest arrived`);
    record.note(
      `${wrong.filter((f) => leaked(picture, f)).length} of ${wrong.length} unwanted frames toward the guest arrived`,
    );
    record.note(
      `${lost.length} of ${legitimate.length} legitimate frames were lost: ${lost.map((f) => f.id).join(' ')}`,
    );
    record.note(`forged MACs learned at the guest's port: ${picture.learned.join(' ') || 'none'}`);
    record.note(
      `attack frames that did not arrive: ${attacks
        .filter((f) => !through.includes(f))
        .map((f) => f.id)
        .join(' ')}`,
    );
    record.check(
      'the bench carries frames from guest to guest, gateway and dom0',
      legitimate.length - lost.length >= 30,
    );
    record.check('without the product most attack frames arrive', through.length > attacks.length / 2);
    record.check('without the product the bridge learns a forged MAC', picture.learned.length > 0);
  },
};
