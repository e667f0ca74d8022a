import type { Managed } from '../../backends/choice.ts';
import { flowtables } from '../../backends/nftables/flowtables.ts';
import { LISTING_BYTES } from '../../effects/exec.ts';
import type { Files } from '../../effects/look-file.ts';
import { array, object, optional, readJson, string } from '../../json/reader.ts';
import { LINKS } from '../../port/seen-port.ts';
import { lookAt } from '../doctor/look.ts';
import { othersThatDrop } from '../doctor/other-filters.ts';

/** Something of others that makes rules of ours moot, or lets nothing of them show. */
export interface Foreign {
  readonly what: string;
  readonly why: string;
  /** The command that puts it right, or shows it. */
  readonly fix: string;
}

const LIST_MS = 30_000;

/**
 * Who else touches frames of these ports: other filters that drop, flowtables, XDP and tc at the ports, Open vSwitch.
 *
 * @param names of the ports
 * @param all they are all ports there are
 */
export async function foreignThings(
  host: Managed,
  names: readonly string[],
  all: boolean,
  files: Files,
): Promise<Foreign[]> {
  const found = await Promise.all([
    filters(host, files),
    takenBy(host, names),
    programsAt(host, names, all),
    queueingAt(host, names),
  ]);
  return found.flat();
}

/** The chains of others at hooks that drop. */
async function filters(host: Managed, files: Files): Promise<Foreign[]> {
  return (await othersThatDrop(lookAt(host, files))).map(({ what, why, fix }) => ({ what, why, fix }));
}

/** What a flowtable takes never comes to a hook of ours. */
async function takenBy(host: Managed, names: readonly string[]): Promise<Foreign[]> {
  const own = new Set(names);
  return (await flowtables(host)).flatMap(({ place, devices }) => {
    const taken = devices.filter((name) => own.has(name));
    if (taken.length === 0) return [];
    return [
      {
        what: `the flowtable ${place} has ${taken.join(' ')}`,
        why: 'what it takes passes no hook of the bridge: it is not filtered',
        fix: `nft list flowtable ${place}, and take the ports out`,
      },
    ];
  });
}

const PORT_PROGRAMS = array(
  object((get) => ({
    name: get('ifname', string),
    xdp: get('xdp', optional(object((xdp) => xdp('prog', optional(object(() => true)))))) !== undefined,
    kind: get('linkinfo', optional(object((info) => info('info_slave_kind', optional(string))))),
  })),
);

/** XDP decides before all hooks, and a datapath of Open vSwitch takes frames from the bridge. */
async function programsAt({ run }: Managed, names: readonly string[], all: boolean): Promise<Foreign[]> {
  const commands = all ? [[]] : names.map((name) => ['dev', name]);
  const [tool, ...args] = LINKS;
  const texts = await Promise.all(commands.map((more) => listing(run, tool, [...args, ...more])));
  const own = new Set(names);
  return texts
    .flatMap((text) =>
      text === undefined || text.trim() === '' ? [] : readJson(text, PORT_PROGRAMS, { at: LINKS.join(' ') }),
    )
    .filter(({ name }) => own.has(name))
    .flatMap(({ name, xdp, kind }) => [
      ...(xdp
        ? [
            {
              what: `a program of XDP is at ${name}`,
              why: 'it decides about frames before any rule of ours, and may send them elsewhere',
              fix: `ip link set dev ${name} xdp off`,
            },
          ]
        : []),
      ...(kind === 'openvswitch'
        ? [
            {
              what: `${name} is a port of Open vSwitch`,
              why: 'its frames pass no bridge, and so no rule of ours',
              fix: `ovs-vsctl del-port ${name}, then vif-bridge reapply ${name}`,
            },
          ]
        : []),
    ]);
}

const QUEUEING = array(object((get) => ({ kind: get('kind', string), dev: get('dev', optional(string)) })));

/** Filters of tc at the ingress of a port see its frames first, and may send them elsewhere. */
async function queueingAt({ run }: Managed, names: readonly string[]): Promise<Foreign[]> {
  const text = await listing(run, 'tc', ['-j', 'qdisc', 'show']);
  if (text === undefined || text.trim() === '') return [];
  const own = new Set(names);
  return readJson(text, QUEUEING, { at: 'tc -j qdisc show' }).flatMap(({ kind, dev }) =>
    dev !== undefined && own.has(dev) && ['ingress', 'clsact'].includes(kind)
      ? [
          {
            what: `tc has a qdisc ${kind} at ${dev}`,
            why: 'its filters see frames before the bridge does, and may drop them or send them elsewhere',
            fix: `tc filter show dev ${dev} ingress; tc qdisc del dev ${dev} ${kind}`,
          },
        ]
      : [],
  );
}

/** Undefined where the program is not there, or cannot tell: then nobody uses it here. */
async function listing(run: Managed['run'], tool: string, args: readonly string[]): Promise<string | undefined> {
  try {
    const { status, stdout } = await run(tool, args, { timeoutMs: LIST_MS, mostBytes: LISTING_BYTES });
    return status === 0 ? stdout : undefined;
  } catch {
    return undefined;
  }
}
