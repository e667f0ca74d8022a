/**
 * Where a frame is let through, and whether anybody may ask more. Rules per guest will stand in the place of PERMITTED;
 * what they must never stop either ends in ACCEPT, or is named here as something that arrives there with the rest.
 */
import assert from 'node:assert/strict';
import test from 'node:test';
import { renderOutcome } from '../../src/backends/nftables/stages.ts';
import { endsOf, type Facts } from '../../src/filter/ordinary.ts';
import { DIRECTIONS, type Direction } from '../../src/filter/reasons.ts';
import { ACCEPT, go, type Outcome, outcomesOf, PERMITTED, sameOutcome } from '../../src/filter/stage.ts';
import { STAGES } from '../../src/filter/stages.ts';
import { gotos } from './walk.ts';

/** The stages in which an outcome stands, as often as it does. */
function placesOf(direction: Direction, outcome: Outcome): string[] {
  return STAGES[direction].flatMap((stage) =>
    outcomesOf(stage)
      .filter((one) => sameOutcome(one, outcome))
      .map(() => stage.name),
  );
}

test('who it is decides about ordinary traffic: the last questions, and what is sent to all', () => {
  assert.deepEqual(placesOf('from-guest', PERMITTED), [
    'ip/own',
    'ip/own',
    'ip6/own',
    'ip6/own',
    'ip6/routed-icmpv6',
    ...Array<string>(15).fill('ip/forwarded'),
    ...Array<string>(13).fill('ip6/forwarded'),
    ...Array<string>(2).fill('ip6/forwarded-icmpv6'),
  ]);
  assert.deepEqual(placesOf('to-guest', PERMITTED), [
    'ip/own',
    'ip/own',
    'ip/group-own',
    'ip6',
    // From `ip6`, `ip6/group` and `ip6/solicited`: any protocol can be sent to such a group.
    'ip6/whole',
    'ip6/whole',
    'ip/forwarded',
  ]);
});

test('nobody asks again about exempt ports, ARP, RARP, DHCP and IGMP without an address, MLD reports, and what is sent from ::', () => {
  assert.deepEqual(placesOf('from-guest', ACCEPT), [
    // An ether type of its own, and LLDP (`allow`), both ways.
    ...['start', 'start', 'stranger', 'arp/limit', 'igmp/report'],
    ...['dhcp/address', 'dhcp/address', 'ip6/own', 'mld/report'],
  ]);
  assert.deepEqual(placesOf('to-guest', ACCEPT), [
    ...['start', 'unicast', 'group', 'group', 'arp', 'arp', 'arp', 'arp', 'arp/group', 'arp/group', 'arp/group'],
    ...['dhcp/address', 'dhcp/address'],
  ]);
});

/** Stages of what a network cannot do without: no rule of a guest may ever stop it. */
const INFRASTRUCTURE: readonly string[] = [
  ...[
    'arp',
    'arp/whole',
    'arp/group',
    'arp/limit',
    'rarp',
    'igmp',
    'igmp/report',
    'igmp/query',
    'igmp/mrd',
    'mld',
    'mld/query',
    'mld/mrd',
    'mld/report',
    'mld/done',
    'rs',
    'ns',
    'ns/dad',
    'na',
    'na/target',
    'nd/limit',
  ],
  ...[
    'dhcp',
    'dhcp/address',
    'dhcp/relay',
    'dhcp/server',
    'dhcp/answer',
    'dhcp/relayed',
    'dhcp/request',
    'dhcp/request-group',
    'dhcp6/server',
    'dhcp6/answer',
    'dhcp6/request',
    'dhcp6/request-group',
    'ra',
    'ra/form',
    'dhcp6',
    'dhcp6/limit',
  ],
];
const NOTHING_KNOWN: Facts = { values: {}, sure: [], never: [] };

test('what else arrives where rules per guest begin, and must be let through first', () => {
  const arrives = (direction: Direction): string[] =>
    STAGES[direction]
      .filter(({ name }) => INFRASTRUCTURE.includes(name))
      .flatMap((stage) => [...new Set(gotos(stage))].map((next) => ({ from: stage.name, next })))
      .filter(({ next }) => !INFRASTRUCTURE.includes(next))
      .filter(({ next }) =>
        endsOf(STAGES[direction], go(next), NOTHING_KNOWN).some((end) => sameOutcome(end, PERMITTED)),
      )
      .map(({ from, next }) => `${from} -> ${next}`);
  assert.deepEqual(arrives('from-guest'), [
    'igmp -> ip/routing',
    'igmp/report -> ip/own',
    'igmp/query -> ip/own',
    'igmp/mrd -> ip/own',
    'dhcp/address -> ip/own',
    'dhcp/relay -> ip/own',
    'dhcp/answer -> ip/own',
    'dhcp/relayed -> ip/own',
    'mld/report -> ip6/own',
    'mld/done -> ip6/own',
    'nd/limit -> ip6/own',
    'dhcp6/limit -> ip6/plain',
    'dhcp6/answer -> ip6/plain',
  ]);
  assert.deepEqual(arrives('to-guest'), [
    'dhcp/address -> ip/own',
    'dhcp/request -> ip/own',
    'dhcp/request-group -> ip/group-own',
    'na -> ip6/own',
    'dhcp6/request -> ip6/own',
    'dhcp6/request-group -> ip6/whole',
  ]);
});

test('towards a guest few stages look at ICMPv6 and none at IGMP: it all arrives there', () => {
  const looking = STAGES['to-guest'].filter(({ steps }) =>
    steps
      .flatMap((step) =>
        'switch' in step ? [step.switch] : step.when.flatMap((one) => ('field' in one ? one.field : [])),
      )
      .some((field) => /^(icmpv6|nd|na|rs|igmp) /.test(field)),
  );
  // A router advertisement to it alone, advertisements of its own addresses by others, and who asks for what it routes.
  assert.deepEqual(
    looking.map(({ name }) => name),
    ['ip6', 'ip6/icmpv6', 'na', 'ip6/group-icmpv6', 'na/group', 'ip6/solicited'],
  );
});

test('what may pass ends in the hook, behind which the rules of its guest are asked', () => {
  for (const direction of DIRECTIONS) {
    assert.equal(renderOutcome(direction, PERMITTED), 'accept');
    assert.equal(renderOutcome(direction, ACCEPT), 'accept');
  }
});
