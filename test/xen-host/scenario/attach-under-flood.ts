import { flood } from '../flood.ts';
import { atGateway, BRIDGE, makeNetwork } from '../network.ts';
import { createA, createV } from '../people.ts';
import { strayGroups } from '../port-groups.ts';
import type { Scenario } from '../scenario.ts';
import { watchDom0, watchGuest } from '../watch.ts';

const TIMES = 50;
/** The hot-plugged vif has a MAC of its own, so that every frame of guest A's corpus is forged on it. */
const MAC = '00:16:3e:00:00:0a';
const ADDRESS = '10.0.0.20';

/** A guest that shoots forged frames from the first moment its new interface exists: not one may get through. */
export const attachUnderFlood: Scenario = {
  name: 'attach-under-flood',
  script: 'product',
  minutes: 20,
  play: async (host, record) => {
    await makeNetwork(host);
    // Each device that goes in the middle of the flood leaves some of the guest's memory behind, in its own netfront.
    const a = await createA(host, { memory: 384 });
    const v = await createV(host);
    await v.sh('ip link set eth0 up');
    const watches = [
      await watchGuest(v, 'eth0'),
      await watchDom0(host, 'eth0', { inside: atGateway }),
      await watchDom0(host, BRIDGE),
    ];
    const ids = host.corpus.frames.filter((f) => f.direction === 'from-guest').map((f) => f.id);
    const shooting = await flood(a, 'eth1', ids, 500);
    const attach: number[] = [];
    const trouble: string[] = [];
    for (let i = 0; i < TIMES; i++) {
      const on = await host.run(`xl network-attach a mac=${MAC} bridge=${BRIDGE} ip=${ADDRESS}`, 60);
      attach.push(on.seconds);
      await host.run('sleep 0.5');
      const off = await host.run(`xl network-detach a ${MAC}`, 60);
      if (on.status || off.status) trouble.push(`${i}: ${on.stdout}${on.stderr}${off.stdout}${off.stderr}`);
    }
    const { sent, appeared } = await shooting.stop();
    const seen = shooting.among((await Promise.all(watches.map((w) => w.stop()))).flat());
    attach.sort((x, y) => x - y);
    record.note(
      `xl network-attach: median ${attach[TIMES >> 1]?.toFixed(2)} s, longest ${attach.at(-1)?.toFixed(2)} s`,
    );
    record.note(`${sent} forged frames sent, the interface appeared ${appeared} times, ${seen.length} arrivals`);
    record.check(`${TIMES} times network-attach and network-detach`, trouble.length === 0, trouble.join('\n'));
    record.check(
      'the guest did send through each of them',
      appeared >= TIMES && sent > TIMES * 20,
      `sent ${sent}, appeared ${appeared}`,
    );
    record.check('no forged frame arrived anywhere', seen.length === 0, [...new Set(seen)].join(' '));
    const ports = await host.sh(`bridge link | grep -E 'vif[0-9]+\\.1\\b'; true`);
    const rest = ports + (await strayGroups(host));
    record.check('nothing is left of the detached interfaces', rest === '', rest);

    await host.sh(`xl network-attach a mac=${MAC} bridge=${BRIDGE} ip=${ADDRESS}`);
    await a.sh(
      `n=0; until [ -e /sys/class/net/eth1 ] || [ $n -gt 50 ]; do sleep 0.1; n=$((n+1)); done; ip link set eth1 up; ip addr add ${ADDRESS}/24 dev eth1`,
    );
    const ping = await host.run(atGateway(`ping -c 2 -W 5 ${ADDRESS}`), 30);
    record.check('a hot-attached interface carries its own address', ping.status === 0, ping.stdout);
  },
};
