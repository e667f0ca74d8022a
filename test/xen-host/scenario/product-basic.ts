import { BRIDGE, FORMS, makeNetwork, scriptPath } from '../network.ts';
import { configure, createA, createV, pingFrom } from '../people.ts';
import type { Scenario } from '../scenario.ts';
import { checkPicture, sendCorpus } from '../traffic.ts';

/** What brings more into the shared rules, of guests that are not there. */
const WHOLE_POLICY = `[defaults]
unmanaged = closed

[guest nobody]
learn = dhcp
gateways = 192.0.2.1 2001:db8::1 00:00:5e:00:01:01
allow = proxy-arp proxy-nd lldp
rules = web

[rules web]
in allow tcp 22,80,443 limit 10/second
in allow icmp echo-request
in drop
out drop tcp 25
out allow
`;

/** The picture after: the same guests, the same frames, our program as the hotplug script. */
const productBasic: Omit<Scenario, 'name'> = {
  script: 'product',
  minutes: 6,
  play: async (host, record) => {
    const { V, G, H } = host.corpus.hosts;
    await makeNetwork(host);
    const a = await createA(host);
    const v = await createV(host);
    checkPicture(host, record, await sendCorpus(host, a, v));

    await configure(host, a, 'A');
    await configure(host, v, 'V');
    for (const [who, { ipv4, ipv6 }] of [
      ['the gateway', G],
      ['dom0', H],
      ['the other guest', V],
    ] as const)
      for (const address of [ipv4, ipv6]) {
        const trouble = await pingFrom(a, address);
        record.check(`the guest pings ${who} at ${address}`, trouble === '', trouble);
      }
    await a.sh('ip addr add 10.0.0.66/24 dev eth0');
    const stolen = await host.run(`ping -I ${BRIDGE} -c 2 -W 2 10.0.0.66`, 30);
    record.check('an address that the guest takes for itself does not work', stolen.status !== 0, stolen.stdout);

    // The shared rules with all that a policy can bring into them: this kernel may refuse what a later one takes.
    await host.sh(`cat >/etc/xen/vif-bridge.ini <<'END'
${WHOLE_POLICY}END`);
    const whole = await host.run(`${scriptPath(host, 'product')} reapply --all`, 60);
    record.check('a policy with everything reaches the kernel', whole.status === 0, whole.stdout + whole.stderr);
    const still = await pingFrom(a, G.ipv4);
    record.check('the guest pings the gateway with it', still === '', still);
  },
};

/** The same for each form of the product. */
export const PRODUCT_BASIC: readonly Scenario[] = FORMS.map((form) => ({
  ...productBasic,
  name: `product-basic-${form}`,
  form,
}));
