import { isLastGone, leavingPort } from '../backends/base.ts';
import { type Managed, withKnownRules } from '../backends/choice.ts';
import type { BatchLine } from '../effects/batch.ts';
import type { Host } from '../host.ts';
import { fdbLines, groupLimitLines, joinLines, leaveLines, prepareLines, upLines } from '../port/port-setup.ts';
import { doubleFinder } from '../vif/doubles.ts';
import { isForgotten } from '../vif/forgotten.ts';
import { noteTaker } from '../vif/notes.ts';
import { prepareDry } from '../vif/prepare.ts';
import { plannedPort } from '../vif/record.ts';
import { connectedKeys } from '../vif/report.ts';
import { sealingText, unsealing } from '../vif/sealed-tap.ts';
import type { HotplugEvent } from '../xen/hotplug-event.ts';

/**
 * What a run would do, as text a person could have typed: the complete nft or ebtables text, the batches for ip and
 * bridge, the writes to xenstore. Changes nothing; needs no root, no device, no nft.
 */
export async function dryRun(given: Host, event: HotplugEvent): Promise<string> {
  const host = withKnownRules(given);
  return event.command === 'online' || event.command === 'add' ? dryOnline(host, event) : dryOffline(host, event);
}

async function dryOnline(host: Managed, event: HotplugEvent): Promise<string> {
  const prepared = await prepareDry(host, event);
  const { setup } = prepared;
  const rules = host.rules.loadText(plannedPort(host, prepared, undefined));
  const limits = batch(groupLimitLines(setup));
  const sealing = sealingText(host, prepared.vif);
  const notes = [
    ...prepared.vif.addresses.notes,
    ...(host.readDevice(prepared.bridge) === undefined
      ? [`${prepared.bridge} is not here, its subnets and its MTU are unknown`]
      : []),
    ...rules.notes,
    ...(sealing.length > 0 ? [`the port will be a new device, with a group of its own: the tap goes behind it`] : []),
  ];
  return [
    ...[...(await doubleFinder(host)(prepared)), ...noteTaker(host)(prepared)].map(
      ({ loud, text }) => `# ${loud ? 'warning' : 'note'}: ${text}\n`,
    ),
    ...notes.map((note) => `# note: ${note}\n`),
    ...sealing.map(([title, text]) => section(title, text)),
    section(
      'sysctl -w',
      `net.ipv6.conf.${(setup.rename ? setup.device : setup.name).replaceAll('.', '/')}.disable_ipv6=1`,
    ),
    section('ip -batch -', batch(setup.rename ? prepareLines(setup) : [])),
    section(rules.title, rules.text),
    section('ip -batch -', batch([...(setup.rename ? [] : prepareLines(setup)), ...joinLines(setup)])),
    section('bridge -batch -', limits === '' ? '' : `# not before kernel 6.3, which has no such limit\n${limits}`),
    section('bridge -batch -', batch(fdbLines(setup))),
    section('ip -batch -', batch(upLines(setup.name))),
    section(
      'xenstore-write',
      connectedKeys(event, setup.mtu, prepared.keys?.get('hotplug-error'))
        .map(([path, value]) => `${path} ${JSON.stringify(value)}\n`)
        .join(''),
    ),
  ].join('');
}

async function dryOffline(host: Managed, event: HotplugEvent): Promise<string> {
  const record = host.state.readVif(event.device);
  const name = record?.name ?? event.device;
  const leaving =
    record === undefined ? { device: event.device, loaded: [], hadIngress: false } : leavingPort(host, record);
  const { title, text } = host.rules.removalText(leaving);
  const unknown = isForgotten(host, event.device, host.readDevice(event.device))
    ? '# what is loaded for it is not known: all rules are made anew without it\n'
    : '# nothing of this vif is loaded\n';
  const rules = record === undefined ? unknown : text;
  const lines = [...leaveLines(name), ...(event.type === 'tap' ? unsealing(host, event.device) : [])];
  const last = record !== undefined && isLastGone(host, event.device);
  const note = last ? '# note: it is the last one of ours, so all that is left of our rules goes with it\n' : '';
  return note + section('ip -batch -', batch(lines)) + section(title, rules);
}

function section(title: string, body: string): string {
  return body === '' ? '' : `### ${title}\n${body.endsWith('\n') ? body : `${body}\n`}\n`;
}

function batch(lines: readonly BatchLine[]): string {
  return lines.map((line) => `${line.text}\n`).join('');
}
