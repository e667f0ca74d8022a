/**
 * The console examples of README and docs are true: each is played on a Xen host of its own, in a namespace, and must
 * print what the page says. A line `...` stands for lines that the page leaves out.
 */
import assert from 'node:assert/strict';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import test from 'node:test';
import { type Dom0, obstacle, openDom0 } from '../kernel/dom0.ts';
import { ALL, arp, frame, TYPE, V, X } from '../kernel/frames.ts';
import { form } from '../lab/program.ts';

const ROOT = new URL('../../', import.meta.url).pathname;

interface Example {
  readonly page: string;
  readonly command: string;
  readonly printed: readonly string[];
}

const EXAMPLES: readonly Example[] = ['README.md', ...readdirSync(`${ROOT}docs`).map((name) => `docs/${name}`)]
  .filter((page) => page.endsWith('.md'))
  .flatMap((page) => {
    const text = readFileSync(`${ROOT}${page}`, 'utf8');
    return [...text.matchAll(/^```console\n[$#] (.*)\n([\s\S]*?)^```$/gm)].map(([, command = '', printed = '']) => ({
      page,
      command,
      printed: printed.split('\n').slice(0, -1),
    }));
  });

/** What happens before the command of an example, and the command; by the page's own words. */
const PLAYS: Readonly<Record<string, (t: test.TestContext, command: string) => Promise<string>>> = {
  'vif-bridge status': async (t, command) => {
    const dom0 = await openDom0(t, { bridge: 'xenbr0' });
    await dom0.ns.check(['ip', 'address', 'add', '192.0.2.254/24', 'dev', 'xenbr0']);
    await dom0.start(WEB01);
    const wire = await dom0.openWire(['guest1.0']);
    const { mac } = WEB01;
    const claim = frame(ALL, mac, TYPE.arp, arp({ op: 2, sha: mac, spa: '192.0.2.1', tpa: '192.0.2.99' }));
    const forged = frame(ALL, X.mac, TYPE.arp, arp({ sha: X.mac, spa: '192.0.2.99', tpa: V.ip }));
    for (let count = 0; count < 12; count += 1) await wire.send('guest1.0', claim);
    for (let count = 0; count < 3; count += 1) await wire.send('guest1.0', forged);
    return admin(dom0, command);
  },
  'vif-bridge online --dry-run vif=vif1.0 bridge=xenbr0 mac=00:16:3e:00:00:01 ip=192.0.2.10': async (t, command) => {
    const dom0 = await openDom0(t, { bridge: 'xenbr0' });
    await dom0.bench.addVif('vif1.0');
    return admin(dom0, command);
  },
  'vif-bridge policy show web0': async (t, command) => {
    const dom0 = await openDom0(t, { bridge: 'xenbr0', policy: '[defaults]\nno_ip = deny\n' });
    await dom0.start({ domid: 1, name: 'web1', mac: WEB01.mac, ip: '192.0.2.10', vifname: 'web0' });
    mkdirSync(`${dom0.folder}/vif-bridge.d`);
    writeFileSync(`${dom0.folder}/vif-bridge.d/web.ini`, '[guest web1]\nip += 192.0.2.77\n');
    return (await admin(dom0, command)).replaceAll(dom0.folder, '/etc/xen');
  },
  'vif-bridge rules test vif1.0 in tcp 203.0.113.9:4711 192.0.2.5:22': async (t, command) => {
    const [, policy = ''] = /```ini\n([\s\S]*?)```/.exec(readFileSync(`${ROOT}docs/rules.md`, 'utf8')) ?? [];
    const dom0 = await openDom0(t, { bridge: 'xenbr0', policy });
    await dom0.start({ ...WEB01, ip: '192.0.2.5' });
    return (await admin(dom0, command)).replaceAll(dom0.folder, '/etc/xen');
  },
  'vif-bridge explain vif=vif1.0 bridge=xenbr0 mac=00:16:3e:00:00:01 ip=192.0.2.10 --frame ffffffffffff00163e0000010806000108000604000200163e000001c0000201000000000000c0000263':
    async (t, command) => admin(await openDom0(t, { bridge: 'xenbr0' }), command),
  // libxl prints what stands in hotplug-error; the words before it are libxl's own.
  'xl create web01.cfg': async (t) => {
    const dom0 = await openDom0(t, { bridge: 'xenbr0' });
    await dom0.bench.addVif('vif1.0');
    dom0.configure({ ...WEB01, ip: '10.0.0.300' });
    assert.equal((await dom0.hotplug('online', WEB01)).status, 1);
    const said = dom0.key(1, 'hotplug-error');
    return `libxl: error: libxl_device.c:1337:device_hotplug_child_death_cb: script: ${said}\n`;
  },
};

const WEB01 = { domid: 1, name: 'web01', mac: '00:16:3e:00:00:01', ip: '192.0.2.10 2001:db8::10' } as const;

/** The output of a command of the admin, which has to work. */
async function admin(dom0: Dom0, command: string): Promise<string> {
  const [program, ...args] = command.split(' ');
  assert.equal(program, 'vif-bridge');
  const result = await dom0.admin(args);
  assert.equal(result.status, 0, result.stderr);
  return result.stdout;
}

test('the pages have examples', () => {
  assert.deepEqual(EXAMPLES.map(({ command }) => command).sort(), Object.keys(PLAYS).sort());
});

const skip = obstacle();
for (const { page, command, printed } of EXAMPLES) {
  // The page says that the executable makes the forwarding entry itself.
  const otherwise = printed.includes('### bridge -batch -') && form() === 'standalone';
  test(`${page}: ${command}`, { skip: skip || (otherwise && 'shows the form for Node') }, async (t) => {
    const play = PLAYS[command];
    assert.ok(play, 'no test plays this example');
    const actual = await play(t, command);
    assert.equal(difference(anyGroup(actual).trimEnd().split('\n'), printed.map(anyGroup)), undefined);
  });
}

/** Interface groups of ports (src/port/guest-group.ts) depend on how many devices there are. */
function anyGroup(text: string): string {
  return text.replace(/\b10737\d{5}\b/g, 'GROUP');
}

/** Where an example does not say what was printed. Undefined: it is true. */
function difference(actual: readonly string[], printed: readonly string[]): string | undefined {
  let at = 0;
  let left = false;
  for (const line of printed) {
    if (line === '...') {
      left = true;
      continue;
    }
    const found = left ? actual.indexOf(line, at) : actual[at] === line ? at : -1;
    if (found < 0) return `the page says ${JSON.stringify(line)}, printed was ${JSON.stringify(actual[at])}`;
    at = found + 1;
    left = false;
  }
  return left || at === actual.length ? undefined : `behind the last line was printed ${JSON.stringify(actual[at])}`;
}
