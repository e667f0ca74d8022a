import { makeNetwork, scriptPath } from '../network.ts';
import { configure, createA, pingFrom } from '../people.ts';
import type { Scenario } from '../scenario.ts';
import { playFilters } from './filters.ts';

/** Rules of a guest: this kernel takes them, and answers where they say so; real packets follow them. */
export const rules: Scenario = {
  name: 'rules',
  script: 'product',
  minutes: 10,
  play: async (host, record) => {
    const { A, G } = host.corpus.hosts;
    await makeNetwork(host);
    const policy = (out: string): string =>
      [
        '[rules web]',
        'in allow tcp 80,5000-5010',
        'in allow icmp echo-request limit 100/second',
        'in drop log',
        'out allow icmp echo-request',
        out,
        'out drop',
        '[defaults]',
        'rules = web',
      ].join('\\n');
    const write = (out: string): Promise<string> =>
      host.sh(`mkdir -p /etc/xen; printf '${policy(out)}\\n' >/etc/xen/vif-bridge.ini`);
    await write('out drop tcp 25');
    const a = await createA(host);
    await configure(host, a, 'A');
    const product = scriptPath(host, 'product');
    const vif = 'vif$(xl domid a).0';
    const state = await host.sh(`${product} status --json`);
    record.check(
      'status knows its rules, and nothing is damaged',
      /"managed"/.test(state) && /"web"/.test(state),
      state,
    );

    const ping = await pingFrom(a, G.ipv4);
    record.check('it pings the gateway', ping === '', ping);
    const long = await host.run(`ip netns exec gw ping -c 3 -s 4000 -W 4 ${A.ipv4}`, 30);
    record.check('a ping of 4000 bytes is answered', long.status === 0, long.stdout);

    await a.sh(
      '(while true; do echo hello | nc -l -p 80; done) >/dev/null 2>&1 & (while true; do echo hello | nc -l -p 81; done) >/dev/null 2>&1 & sleep 1',
    );
    const ask = (port: number): Promise<{ status: number | null; stdout: string; stderr: string }> =>
      host.run(`ip netns exec gw timeout 8 bash -c 'exec 3<>/dev/tcp/${A.ipv4}/${port}; head -n 1 <&3'`, 30);
    const open = await ask(80);
    record.check('an open port answers', /hello/.test(open.stdout), open.stderr);
    const closed = await ask(81);
    record.check('another one does not', !/hello/.test(closed.stdout), closed.stdout);

    const shown = await host.sh(`${product} rules show ${vif}`);
    record.check('each line is counted', /in allow tcp 80,5000-5010 .* [1-9]\d* packets/.test(shown), shown);
    const status = await host.sh(`${product} status`);
    record.check('what ended makes room', /conversations, may begin 500 a second/.test(status), status);

    await write('out reject tcp,udp 25,53');
    const reject = await host.run(`${product} reapply ${vif} && ${product} status`, 90);
    record.check('out reject is taken by this kernel', reject.status === 0, `${reject.stdout}${reject.stderr}`);
    const told = await a.sh(`nc -w 8 ${G.ipv4} 25 </dev/null 2>&1; echo ended with $?`);
    record.check('who is rejected is told so at once: RST', /refused/i.test(told), told);
    const errors = (): Promise<string> => a.sh("awk '/^Icmp: [0-9]/ { print $5 }' /proc/net/snmp");
    const before = Number(await errors());
    await a.sh(`timeout 4 nslookup x.test ${G.ipv4} >/dev/null 2>&1; true`);
    const after = Number(await errors());
    record.check('and by ICMP', after > before, `${before} ${after}`);
    const still = await ask(81);
    record.check('what was closed is closed still', !/hello/.test(still.stdout), still.stdout);
    await write('out drop tcp 25');
    const again = await host.run(`${product} reapply ${vif} && ${product} status`, 90);
    record.check('and the former policy is taken again', again.status === 0, `${again.stdout}${again.stderr}`);

    const chain = await host.sh('nft list ruleset bridge | grep -o "chain rules/[0-9a-f]*/in"');
    await host.sh(`nft flush ${chain.trim().replace('chain ', 'chain bridge xen-vif ')}`);
    const damaged = await host.run(`${product} status`, 60);
    record.check('rules that somebody has emptied are damage', damaged.status === 1, damaged.stdout);
    const repaired = await host.run(`${product} repair && ${product} status`, 90);
    record.check('which repair puts right', repaired.status === 0, `${repaired.stdout}${repaired.stderr}`);

    await playFilters(host, record, a);
    await host.sh('xl destroy a; rm -f /etc/xen/vif-bridge.ini');
  },
};
