import { createGuest } from '../guest.ts';
import { makeNetwork } from '../network.ts';
import type { Scenario } from '../scenario.ts';
import { arrived, leaked, sendCorpus } from '../traffic.ts';

/** The picture after: the same guests, the same frames, our program as the hotplug script. */
export const productBasic: Scenario = {
  name: 'product-basic',
  script: 'product',
  minutes: 5,
  play: async (host, record) => {
    const { A, V, G, H } = host.corpus.hosts;
    await makeNetwork(host);
    const a = await createGuest(host, { name: 'a', vifs: [`mac=${A.mac},bridge=xenbr0,ip=${A.ipv4} ${A.ipv6}`] });
    const v = await createGuest(host, { name: 'v', vifs: [`mac=${V.mac},bridge=xenbr0,ip=${V.ipv4} ${V.ipv6}`] });
    const picture = await sendCorpus(host, a, v);

    const list = (frames: readonly { id: string; name: string }[]) => frames.map((f) => `${f.id} ${f.name}`).join('\n');
    const unwanted = host.corpus.frames.filter((f) => f.expect === 'drop');
    const legitimate = host.corpus.frames.filter((f) => f.expect === 'pass');
    const through = unwanted.filter((f) => leaked(picture, f));
    const lost = legitimate.filter((f) => !arrived(picture, f, host));
    record.check(`none of ${unwanted.length} unwanted frames arrives`, through.length === 0, list(through));
    record.check(`each of ${legitimate.length} legitimate frames arrives`, lost.length === 0, list(lost));
    record.check('the bridge learns no forged MAC', picture.learned.length === 0, picture.learned.join('\n'));

    const addresses = (own: string, own6: string) =>
      `echo 0 >/proc/sys/net/ipv6/conf/eth0/disable_ipv6; ip addr add ${own}/24 dev eth0; ip addr add ${own6}/64 dev eth0 nodad 2>/dev/null || ip addr add ${own6}/64 dev eth0`;
    await a.sh(addresses(A.ipv4, A.ipv6));
    await v.sh(addresses(V.ipv4, V.ipv6));
    for (const [who, ipv4, ipv6] of [
      ['the gateway', G.ipv4, G.ipv6],
      ['dom0', H.ipv4, H.ipv6],
      ['the other guest', V.ipv4, V.ipv6],
    ] as const) {
      const ping = (command: string) =>
        a.sh(command).then(
          () => '',
          (error: Error) => error.message,
        );
      const four = await ping(`ping -c 2 -W 5 ${ipv4}`);
      record.check(`the guest pings ${who} over IPv4`, four === '', four);
      const six = await ping(`n=0; until ping6 -c 1 -W 2 ${ipv6}; do n=$((n + 1)); [ $n -lt 5 ] || exit 1; done`);
      record.check(`the guest pings ${who} over IPv6`, six === '', six);
    }
    await a.sh('ip addr add 10.0.0.66/24 dev eth0');
    const stolen = await host.run(atLeastOneReply('10.0.0.66'), 30);
    record.check('an address that the guest takes for itself does not work', stolen.status !== 0, stolen.stdout);
  },
};

/** Exit status 0 if dom0 gets an answer from an address. */
const atLeastOneReply = (address: string): string => `ping -c 2 -W 2 ${address}`;
