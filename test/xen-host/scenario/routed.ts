import type { Guest } from '../guest.ts';
import { createGuest } from '../guest.ts';
import { leftovers } from '../leftovers.ts';
import { atGateway, INSTALLED, scriptPath } from '../network.ts';
import { pingFrom } from '../people.ts';
import type { Scenario } from '../scenario.ts';
import type { XenHost } from '../xen-host.ts';

const UPLINK = 'up0';
/** The MAC of the host where the guest was before. */
const OLD = '02:00:00:00:00:99';
/** Routed to dom0 by its network, and in no subnet of it. */
const ELSEWHERE = '198.51.100.9';

/** The host of docs/routed.md: no bridge, and a network that routes one more address to it. */
async function makeRoutedNetwork(host: XenHost): Promise<void> {
  const { G, H } = host.corpus.hosts;
  await host.sh(`set -e
    ip netns add gw
    ip link add ${UPLINK} type veth peer name eth0 netns gw address ${G.mac}
    ip address add ${H.ipv4}/24 dev ${UPLINK}
    ip -6 address add ${H.ipv6}/64 dev ${UPLINK} nodad
    ip link set ${UPLINK} up
    ip -n gw link set eth0 up
    ip -n gw link set lo up
    ip -n gw address add ${G.ipv4}/24 dev eth0
    ip -n gw -6 address add ${G.ipv6}/64 dev eth0 nodad
    ip -n gw route add 198.51.100.8/29 via ${H.ipv4}
    mkdir -p /etc/xen
    printf '[defaults]\\nforwarding = set\\n' >/etc/xen/vif-bridge.ini`);
}

/** What guest-config prints goes into the guest, line by line. */
async function configureRouted(host: XenHost, guest: Guest): Promise<void> {
  const lines = await host.sh(`${scriptPath(host, 'product')} guest-config ${guest.name}`);
  await guest.sh('echo 0 >/proc/sys/net/ipv6/conf/eth0/disable_ipv6');
  for (const line of lines.split('\n').filter((one) => one !== '' && !one.startsWith('#'))) await guest.sh(line);
}

/** Pings through the uplink; the empty text if it is answered. */
async function pingTo(host: XenHost, address: string, from = ''): Promise<string> {
  const ping = `ping -c 1 -W 2 ${from === '' ? '' : `-I ${from} `}${address}`;
  const { status, stdout, stderr } = await host.run(atGateway(`sh -c '${ping} || ${ping} || ${ping}'`), 60);
  return status === 0 ? '' : `${stdout}${stderr}`;
}

/** Kernels of this age walk all that a chain at a device leads to, of every device, whenever one is added. */
async function costOfChains(host: XenHost): Promise<string> {
  const table = 'netdev xen-vif-route';
  const { stdout } = await host.run(
    `one() {
      ip link add d$1 type bridge
      printf 'add chain ${table} t/%s { type filter hook ingress device "d%s" priority -200; }\\n' $1 $1 >/run/one.nft
      printf 'add rule ${table} t/%s goto from-guest/quick\\n' $1 >>/run/one.nft
      begun=$(date +%s%N); nft -f /run/one.nft; ended=$(date +%s%N)
      echo "a chain at device $1 more: $(((ended - begun) / 1000000)) ms"
    }
    one 1; for n in $(seq 2 19); do one $n >/dev/null; done; one 20
    for n in $(seq 20); do nft delete chain ${table} t/$n; ip link del d$n; done`,
    120,
  );
  return stdout.trim();
}

/** A guest of a host without a bridge: both families, forged sources, a flush, and what is left of it. */
export const routed: Scenario = {
  name: 'routed',
  script: 'product',
  minutes: 12,
  play: async (host, record) => {
    const { A, V, G, H } = host.corpus.hosts;
    const product = scriptPath(host, 'product');
    await makeRoutedNetwork(host);
    const picture = (): Promise<string> =>
      host.sh('ip route; ip -6 route; ip neigh show proxy; ip -6 neigh show proxy; nft list tables');
    const before = await picture();
    const vif = (mac: string, ip: string, ...more: string[]): string =>
      [
        `script=${INSTALLED[host.form]}/xen-scripts/vif-route`,
        `gatewaydev=${UPLINK}`,
        `mac=${mac}`,
        `ip=${ip}`,
        ...more,
      ].join(',');
    await host.sh(
      atGateway(
        `sh -c 'for one in ${A.ipv4} ${A.ipv6}; do ip neigh replace $one lladdr ${OLD} nud reachable dev eth0; done'`,
      ),
    );
    const a = await createGuest(host, { name: 'a', vifs: [vif(A.mac, `${A.ipv4} ${ELSEWHERE} ${A.ipv6}`)] });
    const own = (await host.sh(`cat /sys/class/net/${UPLINK}/address`)).trim();
    const known = await host.sh(atGateway(`sh -c 'ip neigh show ${A.ipv4}; ip neigh show ${A.ipv6}'`));
    record.check(
      'the gateway, which knew it by the MAC of another host, is told',
      known.split(`lladdr ${own} `).length === 3 && !known.includes(OLD),
      known,
    );
    const v = await createGuest(host, { name: 'v', vifs: [vif(V.mac, `${V.ipv4} ${V.ipv6}`, 'vifname=web0')] });
    const state = await host.run(`${product} status`, 60);
    record.check(
      'status calls both managed, and routed',
      state.status === 0 && state.stdout.match(/ managed .* routed behind up0/g)?.length === 2,
      state.stdout + state.stderr,
    );
    for (const guest of [a, v]) await configureRouted(host, guest);

    const talk = async (when: string): Promise<void> => {
      for (const address of [A.ipv4, ELSEWHERE, A.ipv6, V.ipv4, V.ipv6]) {
        const trouble = await pingTo(host, address);
        record.check(`the gateway pings ${address}${when}`, trouble === '', trouble);
      }
      for (const address of [G.ipv4, G.ipv6, H.ipv4, V.ipv4, V.ipv6]) {
        const trouble = await pingFrom(a, address);
        record.check(`the guest pings ${address}${when}`, trouble === '', trouble);
      }
    };
    await talk('');

    const forge = async (): Promise<string> => {
      const answered: string[] = [];
      await a.sh('ip addr add 10.0.0.66/32 dev eth0; ip -6 addr add fd00::66/128 dev eth0; sleep 3');
      for (const [ping, source, to] of [
        ['ping', '10.0.0.66', G.ipv4],
        ['ping6', 'fd00::66', G.ipv6],
      ])
        await a.sh(`${ping} -c 2 -W 2 -I ${source} ${to}`).then(
          () => answered.push(String(source)),
          () => undefined,
        );
      // Or the guest would take it for its source.
      await a.sh('ip addr del 10.0.0.66/32 dev eth0; ip -6 addr del fd00::66/128 dev eth0');
      return answered.join(' ');
    };
    const forged = await forge();
    record.check('an address that the guest takes for itself does not work', forged === '', forged);
    const drops = await host.sh(`${product} status a`);
    record.check('and is counted', /from-guest ip-src /.test(drops) && /from-guest ip6-src /.test(drops), drops);

    await host.sh(atGateway(`ip address add ${A.ipv4}/32 dev lo`));
    await pingTo(host, H.ipv4, A.ipv4);
    await host.sh(atGateway(`ip address del ${A.ipv4}/32 dev lo`));
    const claimed = await host.sh('nft list table inet xen-vif-route');
    record.check(
      'its address as source elsewhere is dropped',
      /packets [1-9]\d* bytes \d+ drop/.test(claimed),
      claimed,
    );

    await host.sh(`printf '%s\\n' '[rules web]' 'in allow icmp echo-request' 'in allow icmp6 echo-request' 'in drop' \\
      'out allow' '[guest a]' 'rules = web' >>/etc/xen/vif-bridge.ini`);
    const ruled = await host.run(`${product} reapply --all && ${product} status`, 90);
    record.check('this kernel takes rules at a device', ruled.status === 0, ruled.stdout + ruled.stderr);
    await talk(', with rules');

    await host.sh(`printf '%s\\n' 'flush ruleset' 'include "/run/xen-vif-bridge/nftables/*/*.nft"' >/run/own.nft`);
    const reload = await host.run(`nft -f /run/own.nft && ${product} status`, 90);
    record.check('rules that are included need no repair', reload.status === 0, reload.stdout + reload.stderr);
    await host.sh('nft flush ruleset');
    const gone = await host.run(`${product} status`, 60);
    record.check('a flush is damage', gone.status === 1, gone.stdout);
    const again = await host.run(`${product} repair && ${product} status`, 120);
    record.check('which repair puts right', again.status === 0, again.stdout + again.stderr);
    const still = await forge();
    record.check('a foreign address does not work then either', still === '', still);

    record.note(await costOfChains(host));

    await host.sh('xl destroy a');
    // What a file of one says that has gone would make this kernel refuse all.
    const alone = await host.run(`nft -f /run/own.nft && ${product} status`, 90);
    record.check(
      'the host loads its rules without the one that is gone',
      alone.status === 0,
      alone.stdout + alone.stderr,
    );
    const other = await pingTo(host, V.ipv4);
    record.check('and the other guest goes on', other === '', other);
    await host.sh('xl destroy v');
    const rest = await leftovers(host);
    record.check('nothing is left', rest === '', rest);
    const after = await picture();
    record.check('no route, no proxy entry and no table either', after === before, after);
    await host.sh('rm -f /etc/xen/vif-bridge.ini /run/own.nft');
  },
};
