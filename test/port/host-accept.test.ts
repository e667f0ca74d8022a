import assert from 'node:assert/strict';
import test from 'node:test';
import { acceptsText, readForward, withoutRouted } from '../../src/port/host-accept.ts';

/** What `iptables -S FORWARD` lists where Docker runs, by its version, and nobody else has put anything. */
const DOCKERS: Readonly<Record<string, string>> = {
  'Docker 20.10': `-P FORWARD DROP
-A FORWARD -j DOCKER-USER
-A FORWARD -j DOCKER-ISOLATION-STAGE-1
-A FORWARD -o docker0 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A FORWARD -o docker0 -j DOCKER
-A FORWARD -i docker0 ! -o docker0 -j ACCEPT
-A FORWARD -i docker0 -o docker0 -j ACCEPT
-A FORWARD -o mynet -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A FORWARD -o mynet -j DOCKER
-A FORWARD -i mynet ! -o mynet -j ACCEPT
-A FORWARD -i mynet -o mynet -j ACCEPT
`,
  'Docker 27': `-P FORWARD DROP
-A FORWARD -j DOCKER-USER
-A FORWARD -m set --match-set docker-ext-bridges-v4 dst -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A FORWARD -j DOCKER-ISOLATION-STAGE-1
-A FORWARD -m set --match-set docker-ext-bridges-v4 dst -j DOCKER
-A FORWARD -i docker0 -j ACCEPT
`,
  'Docker 28': `-P FORWARD DROP
-A FORWARD -j DOCKER-USER
-A FORWARD -j DOCKER-FORWARD
`,
};

const PHYSDEV = '-A FORWARD -m physdev  --physdev-in vif1.0 --physdev-is-bridged -j ACCEPT\n';
const OURS = '-A FORWARD -i vif1.0 -o eth0 -m comment --comment "vif-bridge:vif1.0" -j ACCEPT\n';

for (const [name, listed] of Object.entries(DOCKERS)) {
  test(`a chain of ${name} alone is known as such`, () => {
    assert.equal(readForward(listed).dockers, true);
    assert.equal(readForward(listed + PHYSDEV + OURS).dockers, true, 'with rules of ours and of stock');
  });

  test(`somebody else's rule beside those of ${name} decides about guests`, () => {
    for (const rule of ['-d 198.51.100.9/32 -p tcp -m tcp --dport 80 -j ACCEPT', '-j ufw-before-forward', '-j REJECT'])
      assert.equal(readForward(`${listed}-A FORWARD ${rule}\n`).dockers, false, rule);
    assert.equal(readForward(listed.replace('DROP', 'ACCEPT')).dockers, false, 'nothing is dropped');
  });
}

test('a chain that drops and has no rule of Docker is its admin’s', () => {
  assert.equal(readForward('-P FORWARD DROP\n').dockers, false);
  assert.equal(readForward('-P FORWARD DROP\n-A FORWARD -j ufw-before-forward\n').dockers, false);
});

test('rules of a routed vif stand behind those of the host, unless one of these drops the rest', () => {
  const port = { name: 'vif1.0', routed: { uplink: 'eth0' } };
  const wide = { name: 'web0', routed: { uplink: undefined } };
  assert.equal(
    acceptsText([port, wide], readForward('-P FORWARD DROP\n')),
    `*filter
-A FORWARD -i vif1.0 -o eth0 -m comment --comment "vif-bridge:vif1.0" -j ACCEPT
-A FORWARD -i eth0 -o vif1.0 -m comment --comment "vif-bridge:vif1.0" -j ACCEPT
-A FORWARD -i vif1.0 -m devgroup --dst-group 0x40000000/0xc0000000 -m comment --comment "vif-bridge:vif1.0" -j ACCEPT
-A FORWARD -i web0 -m comment --comment "vif-bridge:web0" -j ACCEPT
-A FORWARD -o web0 -m comment --comment "vif-bridge:web0" -j ACCEPT
COMMIT
`,
  );
  const ends = readForward('-P FORWARD ACCEPT\n-A FORWARD -j REJECT --reject-with icmp-port-unreachable\n');
  assert.match(acceptsText([port], ends), /^-I FORWARD -i vif1\.0 /m);
});

test('only what is there is taken out, and of that vif alone', () => {
  const chain = readForward(
    `-P FORWARD DROP\n${OURS}${OURS.replaceAll('vif1.0', 'vif1.01')}-A FORWARD -i vif1.0 -j ACCEPT\n`,
  );
  assert.equal(withoutRouted('vif1.0', chain), `*filter\n${OURS.replace('-A', '-D')}COMMIT\n`);
  assert.equal(withoutRouted('vif2.0', chain), '');
});
