/** Filters of libvirt's as programs: order, mirrors, states, variables; and that they only narrow. */
import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { chainProgramText } from '../../src/backends/nftables/chain-program.ts';
import { parseAddressRange } from '../../src/net/address-range.ts';
import { type FilterDocument, parseFilter } from '../../src/nwfilter/document.ts';
import type { FindFilter } from '../../src/nwfilter/instance.ts';
import { filterProgram } from '../../src/nwfilter/program.ts';
import { variablesOf } from '../../src/policy/filter-source.ts';
import { type ChainProgram, chainDigest } from '../../src/rules/chain-program.ts';
import type { Packet } from '../../src/rules/judge.ts';
import { decideChains } from '../../src/rules/judge-chains.ts';

const GUEST = { mac: '00:16:3e:00:00:01', ip: ['192.0.2.5'], ip6: ['2001:db8::5'], learns: false };

function finder(filters: Readonly<Record<string, string>>): FindFilter {
  return (name): FilterDocument => {
    const read = parseFilter(filters[name] ?? '', `${name}.xml`);
    assert.ok('filter' in read, name);
    return read.filter;
  };
}

type Given = Readonly<Record<string, readonly string[]>>;
function program(body: string, given: Given = {}, guest: typeof GUEST = GUEST): ChainProgram {
  const find = finder({ f: `<filter name='f'>${body}</filter>` });
  return filterProgram('f', find, variablesOf(new Map(Object.entries(given)), guest));
}

const rule = (action: string, direction: string, inner: string, more = ''): string =>
  `<rule action='${action}' direction='${direction}' ${more}>${inner}</rule>`;
const address = (text: string): bigint => parseAddressRange(text)?.first ?? 0n;
const HOST = {
  mac: 0x00163e000001n,
  addresses: GUEST.ip.concat(GUEST.ip6).flatMap((one) => parseAddressRange(one) ?? []),
};
function tcp(direction: 'in' | 'out', sport: number, dport: number, more: Partial<Packet> = {}): Packet {
  const [own, other] = [address('192.0.2.5'), address('203.0.113.9')];
  return {
    direction,
    family: 4,
    protocol: 6,
    source: direction === 'in' ? other : own,
    destination: direction === 'in' ? own : other,
    sport,
    dport,
    ...more,
  };
}
const said = (made: ChainProgram, packet: Packet): string => decideChains(made, packet, HOST).verdict;

test('the first rule that matches decides, and the end lets pass', () => {
  const made = program(
    rule('accept', 'in', "<tcp dstportstart='80'/>") + rule('drop', 'in', "<tcp dstportstart='80' dstportend='90'/>"),
  );
  assert.deepEqual(
    [80, 81, 91].map((port) => said(made, tcp('in', 1, port))),
    ['allow', 'drop', 'allow'],
  );
});

test('a drop holds for the other direction too, with source and destination exchanged', () => {
  const made = program(rule('drop', 'in', "<tcp dstportstart='80' srcipaddr='203.0.113.9'/>"));
  assert.equal(said(made, tcp('out', 80, 1)), 'drop');
  assert.equal(said(made, tcp('out', 1, 80)), 'allow');
});

test('an accept opens the answers of what it accepts, and nothing else', () => {
  const made = program(
    rule('accept', 'in', "<tcp dstportstart='80'/>") + rule('drop', 'inout', '<all/>', "priority='1000'"),
  );
  assert.equal(said(made, tcp('in', 1, 80)), 'allow');
  assert.equal(said(made, tcp('out', 80, 1)), 'drop');
});

test('what layer 2 accepts is judged by layer 4', () => {
  const made = program(
    rule('accept', 'in', "<mac protocolid='ipv4'/>") +
      rule('drop', 'in', '<tcp/>') +
      rule('drop', 'in', '', "priority='1000'"),
  );
  assert.equal(said(made, tcp('in', 1, 80)), 'drop');
  assert.equal(said(made, tcp('in', 1, 80, { protocol: 17 })), 'allow');
});

test('chains stand where their priority says, and return leads back', () => {
  const filters = {
    f: `<filter name='f'>${rule('accept', 'in', "<ip dstportstart='81' protocol='tcp'/>", "priority='-750'")}<filterref filter='sub'/>${rule('drop', 'in', '', "priority='1000'")}</filter>`,
    sub: `<filter name='sub' chain='ipv4-x'>${rule('return', 'in', "<ip dstportstart='80' protocol='tcp'/>", "priority='1'")}${rule('accept', 'in', '', "priority='2'")}</filter>`,
  };
  const made = filterProgram('f', finder(filters), variablesOf(new Map(), GUEST));
  assert.equal(said(made, tcp('in', 1, 80)), 'drop');
  assert.equal(said(made, tcp('in', 1, 81)), 'allow');
  assert.equal(said(made, tcp('in', 1, 82)), 'allow');
});

test('lists are made into a rule each: together with one iterator, all with all with two', () => {
  const lists = { A: ['1', '2'], B: ['11', '12'] };
  const count = (inner: string): number => program(rule('drop', 'in', inner), lists).listing.length;
  assert.equal(count("<tcp srcportstart='$A' dstportstart='$B'/>"), 2);
  assert.equal(count("<tcp srcportstart='$A[@1]' dstportstart='$B[@2]'/>"), 4);
  assert.equal(count("<tcp srcportstart='$A[1]' dstportstart='$B'/>"), 2);
  assert.throws(
    () => program(rule('drop', 'in', "<tcp srcportstart='$A' dstportstart='$B'/>"), { ...lists, B: ['1'] }),
    {
      message: /not equally long: \$A has 2, \$B has 1/,
    },
  );
});

test('parameters are defaults; what is missing is named at once; a circle is an error', () => {
  const filters = {
    f: "<filter name='f'><filterref filter='g'><parameter name='P' value='80'/></filterref></filter>",
    g: `<filter name='g'>${rule('drop', 'in', "<tcp dstportstart='$P' srcportstart='$Q[2]'/>")}</filter>`,
    h: "<filter name='h'><filterref filter='i'/></filter>",
    i: "<filter name='i'><filterref filter='h'/></filter>",
  };
  const make = (name: string, given: Given): ChainProgram =>
    filterProgram(name, finder(filters), variablesOf(new Map(Object.entries(given)), GUEST));
  assert.throws(() => make('f', {}), {
    message: 'nwfilter f needs $Q[2]',
    hint: 'write nwfilter.Q = ... for the guest, or Q=... on the command line',
  });
  assert.match(make('f', { Q: ['1', '2', '3'], P: ['81'] }).listing[0]?.text ?? '', /dstportstart=81/);
  assert.throws(() => make('h', {}), { message: /in a circle: h -> i -> h/ });
});

test('guests share a program where a filter asks for their own addresses', () => {
  const body =
    rule('drop', 'out', "<ip match='no' srcipaddr='$IP'/>") + rule('accept', 'out', "<mac srcmacaddr='$MAC'/>");
  const other = { ...GUEST, mac: '00:16:3e:00:00:02', ip: ['192.0.2.6'] };
  assert.equal(chainDigest(program(body)), chainDigest(program(body, {}, other)));
  // Of two addresses a negated rule is made for each, and they drop everything: as libvirt does, and told.
  const two = program(body, {}, { ...GUEST, ip: ['192.0.2.5', '192.0.2.6'] });
  assert.notEqual(chainDigest(two), chainDigest(program(body)));
  assert.ok(two.notes.some((note) => note.includes("match='no'")));
});

const IMPOSSIBLE: Readonly<Record<string, readonly [body: string, message: RegExp]>> = {
  ipset: [rule('drop', 'in', "<tcp ipset='x' ipsetflags='src'/>"), /an ipset of the host/],
  connlimit: [rule('drop', 'in', "<tcp connlimit-above='1'/>"), /connlimit-above needs conntrack/],
  'state INVALID': [rule('drop', 'in', "<tcp state='INVALID'/>"), /INVALID needs conntrack/],
  'reject to the guest': [rule('reject', 'in', '<tcp/>'), /reject of what comes to the guest/],
  'a range that is none': [rule('drop', 'in', "<tcp dstportstart='5' dstportend='4'/>"), /below the beginning/],
  'a value that is none': [rule('drop', 'in', "<tcp dstportstart='$MAC'/>"), /\$MAC is 00:16/],
};
for (const [title, [body, message]] of Object.entries(IMPOSSIBLE)) {
  test(`an error, never a broader rule: ${title}`, () =>
    assert.throws(() => program(body), { code: 'input', message }));
}

test('a guest that learns its addresses shares a program, and cannot be asked otherwise', () => {
  const learning = { ...GUEST, ip: [], learns: true };
  assert.ok(program(rule('return', 'out', "<ip srcipaddr='$IP'/>"), {}, learning));
  assert.throws(() => program(rule('return', 'out', "<ip match='no' srcipaddr='$IP'/>"), {}, learning), {
    message: /needs addresses that are known/,
  });
});

const RULE = fc
  .record({
    action: fc.constantFrom('accept', 'drop', 'return', 'continue'),
    direction: fc.constantFrom('in', 'out', 'inout'),
    priority: fc.integer({ min: -1000, max: 1000 }),
    inner: fc.constantFrom(
      '',
      '<mac/>',
      "<mac protocolid='arp'/>",
      "<ip srcipaddr='$IP'/>",
      "<ip match='no' dstipaddr='10.0.0.0' dstipmask='8'/>",
      "<arp opcode='Reply' gratuitous='true'/>",
      "<tcp dstportstart='80'/>",
      "<udp srcportstart='53' state='ESTABLISHED'/>",
      "<icmp type='8'/>",
      '<all/>',
      "<all-ipv6 srcipaddr='$IPV6'/>",
      "<icmpv6 match='no' type='128' code='0'/>",
    ),
  })
  .map(({ action, direction, priority, inner }) => rule(action, direction, inner, `priority='${priority}'`));

/**
 * A frame that the whitelist drops never comes to a filter (its hooks are behind), so all that is to be shown is that a
 * filter touches nothing else: no set of what guests own, no other chain, no mark of the frame.
 */
test('whatever a filter says, its text only narrows', () => {
  fc.assert(
    fc.property(fc.array(RULE, { maxLength: 12 }), (rules) => {
      const made = program(rules.join(''));
      const own = `rules/${chainDigest(made)}`;
      for (const line of chainProgramText(made)) {
        if (line.startsWith('#')) continue;
        const [, chain = '', what = ''] = /^(?:add|flush) (?:chain|rule) bridge xen-vif (\S+) ?(.*)$/.exec(line) ?? [];
        assert.ok(chain.startsWith(`${own}/`), line);
        assert.doesNotMatch(what, /\b(add|update|delete|set|queue|notrack|log)\b/, line);
        const verdict = /(?:(?:goto|jump) (\S+)|accept|return|drop)(?: comment "filter \d+\.\d+")?$/.exec(what);
        assert.ok(what === '' || verdict !== null, line);
        assert.match(
          verdict?.[1] ?? own,
          /^(rules\/[0-9a-f]{12}\.\d+|(from|to)-guest\/(drop-rule|note-ip6?|rules-rejected-ip6?))/,
          line,
        );
      }
      for (const one of [tcp('in', 1, 80), tcp('out', 80, 1)]) assert.match(said(made, one), /^(allow|drop)$/);
    }),
    { numRuns: 300 },
  );
});
