import { atGateway, makeNetwork } from '../network.ts';
import { createA, createV } from '../people.ts';
import type { Scenario } from '../scenario.ts';

/** A guest gets its assigned address from a real DHCP server, through the filter. */
export const dhcp: Scenario = {
  name: 'dhcp',
  script: 'product',
  minutes: 5,
  play: async (host, record) => {
    const { A, V, G } = host.corpus.hosts;
    await makeNetwork(host);
    await host.sh(`cat >/run/udhcpd.conf <<END
start 10.0.0.100
end 10.0.0.110
interface eth0
lease_file /run/udhcpd.leases
pidfile /run/udhcpd.pid
option subnet 255.255.255.0
option router ${G.ipv4}
static_lease ${A.mac} ${A.ipv4}
END
      : >/run/udhcpd.leases
      ${atGateway('setsid busybox udhcpd -f /run/udhcpd.conf')} >/run/udhcpd.log 2>&1 &`);
    const a = await createA(host);
    const v = await createV(host);
    const lease = await a
      .sh('ip link set eth0 up; udhcpc -i eth0 -s /dhcp-lease -n -q -t 5 -T 3', 60)
      .catch((error: Error) => error.message);
    record.check(
      'the guest gets its assigned address by DHCP',
      lease.includes(`lease ${A.ipv4} from ${G.ipv4}`),
      lease,
    );
    const ping = await host.run(atGateway(`ping -c 2 -W 5 ${A.ipv4}`), 30);
    record.check('the leased address works', ping.status === 0, ping.stdout);
    const other = await v
      .sh('ip link set eth0 up; udhcpc -i eth0 -s /dhcp-lease -n -q -t 5 -T 3', 60)
      .catch((error: Error) => error.message);
    const offered = /lease (10\.0\.0\.1\d\d) from/.exec(other)?.[1];
    record.check('the other guest is offered one that is not its own', offered !== undefined, other);
    if (offered) {
      const stolen = await host.run(atGateway(`ping -c 2 -W 2 ${offered}`), 30);
      record.check('an address that the server hands out wrongly does not work', stolen.status !== 0, stolen.stdout);
    }
    record.note(`the other guest has ip=${V.ipv4} and was offered ${offered}`);
    await host.sh('kill $(cat /run/udhcpd.pid)');
  },
};
