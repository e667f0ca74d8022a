/** The commands of the pages are those of the program, and the way onto a live host does what its page says. */
import assert from 'node:assert/strict';
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import test from 'node:test';
import { allCommands, programShape } from '../../src/build/command-shape.ts';
import { obstacle, openDom0 } from '../kernel/dom0.ts';
import { A, ALL, arp, frame, G, TYPE, V } from '../kernel/frames.ts';
import { waitForForwarding } from '../lab/bench.ts';

const ROOT = new URL('../../', import.meta.url).pathname;
const PAGES = ['README.md', ...readdirSync(`${ROOT}docs`).map((name) => `docs/${name}`)].filter((page) =>
  page.endsWith('.md'),
);
const COMMANDS = allCommands(programShape());

/** Every `vif-bridge ...` in a block or between backticks, without what a shell does with it. */
function calls(text: string): string[][] {
  const blocks = [...text.matchAll(/^ *```(?:sh|console)\n([\s\S]*?)^ *```$/gm)].flatMap(([, body = '']) =>
    body.split('\n'),
  );
  const inline = [...text.replaceAll(/^ *```[\s\S]*?^ *```$/gm, '').matchAll(/`([^`]+)`/g)].map(
    ([, code = '']) => code,
  );
  return [...blocks, ...inline].flatMap((line) => {
    const [, rest] =
      /(?:^|[|$#] *|bin\/)vif-bridge ([a-z][^|#<>&]*)/.exec(line.trim().replaceAll('\n', ' ').replaceAll('\\|', ' ')) ??
      [];
    return rest === undefined ? [] : [rest.trim().split(/\s+/)];
  });
}

for (const page of PAGES) {
  test(`${page}: every command and option that it shows is there`, () => {
    for (const words of calls(readFileSync(`${ROOT}${page}`, 'utf8'))) {
      const known = COMMANDS.filter(
        (one) => one.words.length > 0 && one.words.every((word, index) => words[index] === word),
      );
      const command = known.sort((a, b) => b.words.length - a.words.length)[0];
      assert.ok(command !== undefined, `vif-bridge ${words.join(' ')}`);
      const options = command.options.flatMap(({ names }) => names);
      for (const word of words.filter((one) => one.startsWith('--'))) {
        const name = word.replace(/[=\]].*$/, '');
        assert.ok(options.includes(name), `vif-bridge ${words.join(' ')}: ${name}`);
      }
    }
  });
}

test('pages show commands', () => {
  const all = PAGES.flatMap((page) => calls(readFileSync(`${ROOT}${page}`, 'utf8')).map((words) => words[0]));
  for (const name of ['reapply', 'status', 'uninstall', 'doctor', 'policy']) assert.ok(all.includes(name), name);
});

test('docs/guide.md: onto a live host, and back', { skip: obstacle() }, async (t) => {
  const page = readFileSync(`${ROOT}docs/guide.md`, 'utf8');
  const [observe = '', back = ''] = [...page.matchAll(/^ *```ini\n([\s\S]*?)^ *```$/gm)].map(([, text = '']) =>
    text.replaceAll(/^ +/gm, ''),
  );
  const dom0 = await openDom0(t);
  const admin = async (...words: string[]): Promise<string> => {
    const { status, stdout, stderr } = await dom0.admin(words);
    assert.equal(status, 0, `${words.join(' ')}: ${stderr}`);
    return stdout;
  };
  // Guests of another script, which run already.
  for (const [domid, who] of [A, V].entries()) {
    const id = domid + 1;
    dom0.configure({ domid: id, mac: who.mac, ip: `${who.ip} ${who.ip6}` });
    await dom0.bench.addVif(`vif${id}.0`);
    await dom0.ns.check(['ip', 'link', 'set', `vif${id}.0`, 'master', dom0.bench.bridge, 'up']);
    await waitForForwarding(dom0.ns, `vif${id}.0`);
  }
  const wire = await dom0.openWire(['guest1.0', 'guest2.0', 'gw0']);
  const own = frame(ALL, A.mac, TYPE.arp, arp({ tpa: G.ip }));
  const forged = frame(V.mac, A.mac, TYPE.arp, arp({ op: 2, spa: G.ip, tha: V.mac }));
  const arrives = async (hex: string): Promise<boolean> => {
    await wire.collect(0);
    await wire.send('guest1.0', hex);
    return (await wire.collect()).some((seen) => seen.hex === hex);
  };
  const policy = `${dom0.folder}/vif-bridge.ini`;

  writeFileSync(policy, observe);
  const links = await dom0.ns.check(['cat', '/sys/class/net/vif1.0/carrier_changes']);
  await admin('reapply', '--all', '--dry-run');
  assert.equal(await dom0.ns.check(['nft', 'list', 'ruleset']), '', 'a dry run changes nothing');
  await admin('reapply', '--all');
  assert.deepEqual([await arrives(own), await arrives(forged)], [true, true], 'nothing is dropped');
  assert.match(await admin('status'), /arp-spa +1 frame/, 'and what would be is counted');

  writeFileSync(policy, '');
  await admin('policy', 'check');
  await admin('reapply', '--all');
  assert.deepEqual([await arrives(own), await arrives(forged)], [true, false], 'filtered');

  mkdirSync(`${dom0.folder}/vif-bridge.d`);
  writeFileSync(`${dom0.folder}/vif-bridge.d/zz-back.ini`, back);
  await admin('reapply', '--all');
  assert.deepEqual([await arrives(own), await arrives(forged)], [true, true], 'back');
  assert.equal(await dom0.ns.check(['cat', '/sys/class/net/vif1.0/carrier_changes']), links, 'no link went down');

  rmSync(`${dom0.folder}/vif-bridge.d`, { recursive: true });
  await admin('reapply', '--all');
  assert.equal(await arrives(forged), false);
});
