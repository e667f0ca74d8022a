import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { shippedFilters } from '../../lab/libvirt-source.ts';
import type { Guest } from '../guest.ts';
import { scriptPath } from '../network.ts';
import { configure, createV, pingFrom } from '../people.ts';
import type { Record } from '../report.ts';
import { checkPicture, sendCorpus } from '../traffic.ts';
import type { XenHost } from '../xen-host.ts';

/** Where libvirt keeps them, and where they are looked for. */
const FOLDER = '/etc/libvirt/nwfilter';

/**
 * Every kind of question, on a kernel that may refuse what a later one takes; what decides here are its last lines.
 * None may stop the guest's own ARP: it answered until it had to ask for its neighbour again.
 */
const WEB = `<filter name='web' chain='root'>
  <rule action='accept' direction='out' priority='-300'><arp gratuitous='true' match='no' opcode='Reply'/></rule>
  <rule action='drop' direction='out' priority='-200'><ip match='no' srcipaddr='$IP'/></rule>
  <rule action='drop' direction='in' priority='-100'><ipv6 protocol='icmpv6' type='137' typeend='138'/></rule>
  <rule action='drop' direction='out' statematch='false'><tcp flags='SYN,FIN/SYN,FIN' option='5'/></rule>
  <rule action='drop' direction='in'><sctp srcipfrom='203.0.113.1' srcipto='203.0.113.9' dscp='33'/></rule>
  <rule action='accept' direction='in'><tcp dstportstart='80'/></rule>
  <rule action='accept' direction='in'><icmp type='8'/></rule>
  <rule action='accept' direction='out'><icmp type='0'/></rule>
  <rule action='drop' direction='inout' priority='1000'><all/></rule>
</filter>`;

/** Filters of libvirt's on a guest that runs: this kernel takes them, and real packets follow them. */
export async function playFilters(host: XenHost, record: Record, a: Guest): Promise<void> {
  const { A, G, V } = host.corpus.hosts;
  const product = scriptPath(host, 'product');
  const shipped = await shippedFilters();
  record.check("libvirt's own filters are there", typeof shipped !== 'string', String(shipped));
  if (typeof shipped === 'string') return;
  const files = readdirSync(shipped.folder).filter((file) => file.endsWith('.xml'));
  const texts = [
    ...files.map((file) => [file, readFileSync(join(shipped.folder, file), 'utf8')] as const),
    ['web.xml', WEB] as const,
  ];
  const written = texts.map(([file, text]) => `cat >${FOLDER}/${file} <<'END'\n${text}\nEND`);
  await host.sh(`mkdir -p ${FOLDER}\n${written.join('\n')}`);
  const v = await createV(host);
  const policy = (text: string): Promise<string> => host.sh(`printf '${text}' >/etc/xen/vif-bridge.ini`);

  await policy('[defaults]\\nnwfilter = clean-traffic\\n');
  const clean = await host.run(`${product} reapply --all && ${product} verify`, 120);
  record.check('clean-traffic reaches this kernel', clean.status === 0, `${clean.stdout}${clean.stderr}`);
  checkPicture(host, record, await sendCorpus(host, a, v), 'with clean-traffic');
  await configure(host, a, 'A');
  await configure(host, v, 'V');
  for (const address of [G.ipv4, G.ipv6, V.ipv4]) {
    const trouble = await pingFrom(a, address);
    record.check(`with clean-traffic it pings ${address}`, trouble === '', trouble);
  }

  await policy('[guest v]\\nnwfilter = web\\n');
  const own = await host.run(`${product} reapply --all && ${product} verify`, 120);
  record.check('a filter of many questions reaches this kernel', own.status === 0, `${own.stdout}${own.stderr}`);
  await v.sh(
    '(while true; do echo hello | nc -l -p 80; done) >/dev/null 2>&1 & (while true; do echo hello | nc -l -p 81; done) >/dev/null 2>&1 & sleep 1',
  );
  const ask = async (port: number): Promise<string> =>
    (await host.run(`ip netns exec gw timeout 8 bash -c 'exec 3<>/dev/tcp/${V.ipv4}/${port}; head -n 1 <&3'`, 30))
      .stdout;
  const open = await ask(80);
  record.check('its open port answers', /hello/.test(open), open);
  const closed = await ask(81);
  record.check('its other port does not', !/hello/.test(closed), closed);
  const asked = await host.run(`ip netns exec gw ping -c 3 -W 4 ${V.ipv4}`, 30);
  const why = asked.status === 0 ? '' : await host.sh(`${product} rules show vif$(xl domid v).0; ${product} status`);
  record.check('it answers a ping', asked.status === 0, `${asked.stdout}${why}`);
  const asks = await v.sh(`ping -c 2 -W 2 ${G.ipv4}; true`);
  record.check('and pings nobody itself', / 0 packets received|100% packet loss/.test(asks), asks);
  const neighbour = await pingFrom(a, G.ipv4);
  record.check('who has no filter pings as ever', neighbour === '', neighbour);

  const vif = 'vif$(xl domid v).0';
  const said = await host.sh(`${product} rules test ${vif} in tcp ${A.ipv4}:4711 ${V.ipv4}:81`);
  record.check('rules test names the line that closes it', /^drop {2}.*web\.xml:10: drop inout all/.test(said), said);
  const status = await host.sh(`${product} status ${vif}`);
  record.check('status counts what it drops', /dropped to-guest +rule +[1-9]/.test(status), status);
  // As a file that is loaded begins. Over the rules that are there each chain would be twice as long while this kernel
  // follows every way through it, and it may stand still for a minute.
  const list = '(echo flush ruleset; nft list ruleset) >/tmp/listed && nft -c -f /tmp/listed';
  const listed = await host.run(list, 240);
  record.check('its listing is read again', listed.status === 0, listed.stderr);
  await host.sh(`xl destroy v; rm -rf ${FOLDER}`);
}
