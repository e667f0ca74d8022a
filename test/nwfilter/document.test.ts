/** Filters as they are written: what is taken, what is refused and where, what is only told. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseFilter } from '../../src/nwfilter/document.ts';
import { formatFilter } from '../../src/nwfilter/format.ts';
import { problemLine } from '../../src/nwfilter/problem.ts';

function problems(text: string): string[] {
  const read = parseFilter(text, 'f.xml');
  return 'problems' in read ? read.problems.map(problemLine) : [];
}
function notes(text: string): string[] {
  const read = parseFilter(text, 'f.xml');
  assert.ok('filter' in read);
  return read.filter.notes.map(problemLine);
}
const rule = (inner: string, head = "action='drop' direction='in'"): string =>
  `<filter name='f'><rule ${head}>${inner}</rule></filter>`;
function canonical(inner: string): string {
  const read = parseFilter(rule(inner), 'f.xml');
  assert.ok('filter' in read, 'problems' in read ? read.problems.map(problemLine).join() : '');
  return formatFilter(read.filter).split('\n').slice(2, -3).join(' ').trim().replace(/ {2,}/g, ' ');
}

test('all that is wrong is said at once, each with its line, element and attribute', () => {
  const text = `<filter name='f' chain='foo'>
  <rule action='dorp' direction='in'>
    <tcp dstportstart='http'
         srcipaddr='1.2.3'/>
  </rule>
  <rule action='drop'><ip srcportstart='80'/></rule>
  <filterref/>
</filter>`;
  assert.deepEqual(problems(text), [
    'f.xml:1: <filter> chain: there is no chain "foo"',
    'f.xml:2: <rule> action: "dorp" is not possible',
    'f.xml:4: <tcp> srcipaddr: "1.2.3" is not possible',
    'f.xml:3: <tcp> dstportstart: "http" is not possible',
    'f.xml:6: <rule> direction: it is missing',
    'f.xml:6: <ip> srcportstart: ports need a protocol that has them',
    'f.xml:7: <filterref> filter: it names no filter',
  ]);
});

const REFUSED: Readonly<Record<string, string>> = {
  'a DOCTYPE': '<!DOCTYPE filter><filter name="f"/>',
  'an external entity': '<!DOCTYPE f [<!ENTITY x SYSTEM "file:///etc/passwd">]><filter name="&x;"/>',
  'an entity that nobody declared': '<filter name="f&x;"/>',
  'what does not end': '<filter name="f">',
  nothing: '',
  'two roots': '<filter name="f"/><filter name="g"/>',
  'an attribute twice': '<filter name="f" name="g"/>',
  'another root': '<network name="f"/>',
  'no name': '<filter/>',
  'a name that leads elsewhere': '<filter name="../f"/>',
  'a chain that only begins with root': '<filter name="f" chain="rootx"/>',
  'a long chain': '<filter name="f" chain="arp-1234567890"/>',
  'a chain priority out of range': '<filter name="f" chain="arp" priority="1001"/>',
  'a broken UUID': '<filter name="f"><uuid>12</uuid></filter>',
  'a protocol that is none': rule('<tpc/>'),
  'a mask with a hole': rule("<mac srcmacmask='ff:00:ff:00:00:00'/>"),
  'a netmask with a hole': rule("<ip srcipmask='255.0.255.0'/>"),
  'a mask that is too long': rule("<ip srcipmask='33'/>"),
  'an address of the other family': rule("<tcp-ipv6 srcipaddr='192.0.2.1'/>"),
  'a port that is too high': rule("<tcp dstportstart='65536'/>"),
  'a dscp that is too high': rule("<ip dscp='64'/>"),
  'an ether type that is a length': rule("<mac protocolid='0x5ff'/>"),
  'a vlan that is too high': rule("<vlan vlanid='4096'/>"),
  'tcp flags without a slash': rule("<tcp flags='SYN'/>"),
  'a state that is none': rule("<tcp state='OPEN'/>"),
  'flags of an ipset that are too many': rule("<all ipset='x' ipsetflags='src,src,src,src,src,src,src'/>"),
  'a variable without its bracket': rule("<tcp dstportstart='$A[1'/>"),
  'an iterator that is too high': rule("<tcp dstportstart='$A[@1001]'/>"),
  'ports of a protocol that has none': rule("<ip protocol='icmp' dstportstart='1'/>"),
};
for (const [title, text] of Object.entries(REFUSED)) {
  test(`refused: ${title}`, () => assert.notDeepEqual(problems(text), []));
}

test('what libvirt passes over in silence is told', () => {
  assert.deepEqual(notes(rule("<tcp dstportstrat='80'/><udp/>", "action='drop' direction='in' priority='0x12'")), [
    'f.xml:1: <rule> priority: "0x12" counts as 500',
    'f.xml:1: <udp>: it is passed over',
    'f.xml:1: <tcp> dstportstrat: it is passed over: there is no such attribute',
  ]);
  assert.deepEqual(
    notes("<filter name='f'><filterref filter='g'><parameter name='IP' value='10.0.0.0/8'/></filterref></filter>"),
    ['f.xml:1: <parameter> value: it is passed over'],
  );
});

test('elements of one name are joined, and each sign holds for its own attributes', () => {
  assert.equal(
    canonical("<mac match='no' srcmacaddr='0:1:2:3:4:5'/><mac dstmacaddr='01:00:00:00:00:00' protocolid='0x806'/>"),
    "<mac match='no' srcmacaddr='00:01:02:03:04:05'/> <mac dstmacaddr='01:00:00:00:00:00' protocolid='arp'/>",
  );
});

test('a sign is that of the address for its mask, and that of the first port for all four', () => {
  assert.equal(
    canonical("<tcp match='no' srcipaddr='10.0.0.0'/><tcp srcipmask='255.0.0.0' dstportstart='80'/>"),
    "<tcp match='no' srcipaddr='10.0.0.0' srcipmask='8'/> <tcp dstportstart='80'/>",
  );
  assert.equal(
    canonical("<tcp match='no' srcportstart='1'/><tcp dstportstart='80'/>"),
    "<tcp match='no' srcportstart='1' dstportstart='80'/>",
  );
});

test('values in all their forms', () => {
  assert.equal(
    canonical("<tcp flags='syn ack/SYN' dscp='0x10' state='new,related'/>"),
    "<tcp dscp='0x10' state='NEW,RELATED' flags='SYN,ACK/SYN'/>",
  );
  assert.equal(canonical("<all state='ESTABLISHED,none'/>"), "<all state='NONE'/>");
  assert.equal(canonical("<arp opcode='rEPLY' gratuitous='1' arpsrcipaddr='$IP[ @ 2 ]'/>").includes('opcode'), true);
  assert.equal(
    canonical("<tcp dstportstart='$A[@0]' srcportstart='$B[2]'/>"),
    "<tcp srcportstart='$B[2]' dstportstart='$A'/>",
  );
  assert.equal(canonical("<tcp comment='a &lt; b'/>"), "<tcp comment='a &lt; b'/>");
  assert.equal(
    canonical("<tcp-ipv6 srcipaddr='::ffff:10.1.2.3' srcipmask='ffff::'/>"),
    "<tcp-ipv6 srcipaddr='::ffff:10.1.2.3' srcipmask='16'/>",
  );
});
