/** What libvirt's own tests say of filters: which must be refused, and how the others are printed. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { parseFilter } from '../../src/nwfilter/document.ts';
import { formatFilter } from '../../src/nwfilter/format.ts';
import { problemLine } from '../../src/nwfilter/problem.ts';
import { filterProgram } from '../../src/nwfilter/program.ts';
import { filterFinder, variablesOf } from '../../src/policy/filter-source.ts';
import { libvirtTests, shippedFilters } from '../lab/libvirt-source.ts';

function read(folder: string, name: string): ReturnType<typeof parseFilter> {
  return parseFilter(readFileSync(join(folder, name), 'utf8'), name);
}

test("libvirt's 41 inputs: 21 are refused, 20 accepted and printed in the canonical form", async (t) => {
  const source = await libvirtTests();
  if (typeof source === 'string') return t.skip(source);
  const inputs = join(source.tests, 'nwfilterxml2xmlin');
  const names = readdirSync(inputs).sort();
  assert.equal(names.length, 41);
  const isWrong = (name: string): boolean => name.includes('invalid');
  assert.equal(names.filter(isWrong).length, 21);
  for (const name of names) {
    const found = read(inputs, name);
    if (isWrong(name)) {
      assert.ok('problems' in found && found.problems.length > 0, name);
      for (const { line, hint } of found.problems) assert.ok(line > 0 && hint !== '', name);
    } else {
      assert.ok('filter' in found, `${name}: ${'problems' in found ? found.problems.map(problemLine).join() : ''}`);
      const expected: string = readFileSync(join(source.tests, 'nwfilterxml2xmlout', name), 'utf8');
      assert.equal(formatFilter(found.filter), expected, name);
    }
  }
});

test('what is printed is read again as the same, also of the inputs of the firewall tests', async (t) => {
  const source = await libvirtTests();
  if (typeof source === 'string') return t.skip(source);
  const inputs = join(source.tests, 'nwfilterxml2firewalldata');
  const names = readdirSync(inputs).filter((name) => name.endsWith('.xml'));
  assert.equal(names.length, 41);
  for (const name of names) {
    const first = read(inputs, name);
    assert.ok('filter' in first, name);
    const text = formatFilter(first.filter);
    const again = parseFilter(text, name);
    assert.ok('filter' in again, name);
    assert.equal(formatFilter(again.filter), text);
  }
});

test('the 24 filters that libvirt ships are read, and nothing of them is passed over', async (t) => {
  const shipped = await shippedFilters();
  if (typeof shipped === 'string') return t.skip(shipped);
  const names = readdirSync(shipped.folder).filter((name) => name.endsWith('.xml'));
  assert.equal(names.length, 24);
  for (const name of names) {
    const found = read(shipped.folder, name);
    assert.ok('filter' in found, name);
    assert.deepEqual(found.filter.notes, []);
    assert.equal(`${found.filter.name}.xml`, name);
    const variables = new Map([
      ['GATEWAY_MAC', ['00:16:3e:00:00:fe']],
      ['DHCPSERVER', [name.includes('dhcpv6') ? '2001:db8::1' : '192.0.2.1']],
    ]);
    const guest = { mac: '00:16:3e:00:00:01', ip: ['192.0.2.5'], ip6: ['2001:db8::5'], learns: false };
    const made = filterProgram(found.filter.name, filterFinder(shipped.folder), variablesOf(variables, guest));
    assert.ok(made.listing.length > 0, name);
  }
});
