import type { PrintedPort } from '../../commands/status-text.ts';
import { OPENINGS } from '../../commands/unfiltered.ts';
import { NO_IP_CHOICES } from '../../filter/plan.ts';
import { DIRECTION, REASON } from './parts.ts';
import { boolean, count, list, moment, object, oneOf, optional, type Schema, said, string } from './schema.ts';

const DROP = object<PrintedPort['drops'][number]>({
  direction: DIRECTION,
  reason: REASON,
  packets: count,
  bytes: count,
});

const SET = object<NonNullable<PrintedPort['conversations']>['sets'][number]>({
  set: string,
  elements: count,
  size: said('the most that it holds', count),
});

const CONVERSATIONS = object<NonNullable<PrintedPort['conversations']>>({
  own: said('how many it has open', count),
  limit: said(
    'how many it may begin',
    object<NonNullable<PrintedPort['conversations']>['limit']>({
      rate: said('in a second', count),
      burst: said('at once', count),
    }),
  ),
  sets: said('the tables that all guests share', list(SET)),
});

/** `vif-bridge status --json` */
export const STATUS: Schema<readonly PrintedPort[]> = list(
  object<PrintedPort>({
    name: said('as it is called now', string),
    device: said('as it was called first', string),
    state: said(
      'managed: ours are its rules; unmanaged: of no run of this program; exempt: the same, started with another ' +
        'script and so left open; damaged: somebody has changed port or rules since',
      oneOf('managed', 'exempt', 'unmanaged', 'damaged'),
    ),
    bridge: optional(said('absent: it is on none', string)),
    uplink: optional(said('of a routed vif: the device behind which its network is', string)),
    up: boolean,
    link: oneOf('up', 'no-carrier', 'down'),
    guest: optional(
      object<NonNullable<PrintedPort['guest']>>({
        domid: count,
        name: optional(said('absent: xenstore does not say', string)),
      }),
    ),
    mac: optional(string),
    extra_macs: said('what it may use besides, as the policy writes it; empty: none', string),
    addresses: list(string),
    shared: said('those of them that others may have too', list(string)),
    routes: said('blocks that are behind it', list(string)),
    learned: said(
      'what a DHCP server gave it',
      list(
        object<PrintedPort['learned'][number]>({
          address: string,
          seconds: said('it is known for so long yet', count),
        }),
      ),
    ),
    mode: optional(said('how far its rules restrict it', oneOf('addresses', ...NO_IP_CHOICES))),
    policy_mode: optional(said('`mode` of the policy now', oneOf('locked', 'observe', 'unlocked', 'disabled'))),
    observed: said('nothing is dropped, all of it is counted', boolean),
    unfiltered: optional(
      said(
        'why nothing is kept from it, as it is loaded; absent: it is filtered, or closed',
        oneOf(...OPENINGS, 'unmanaged'),
      ),
    ),
    overdue: optional(said('that should have ended then, and nobody has re-applied it since', moment)),
    allow: said('words of `allow` that its rules hold', list(string)),
    until: optional(said('when `observe` or `unlocked` ends', moment)),
    rules: said('its lists of rules, and nwfilter=NAME', list(string)),
    conversations: optional(CONVERSATIONS),
    log: optional(said('what `log` tells of it', string)),
    open: said('what is not restricted, or damaged, in words; empty: nothing', list(string)),
    notes: said(
      'what its admin should know',
      list(object<PrintedPort['notes'][number]>({ loud: said('somebody loses what is his', boolean), text: string })),
    ),
    drops: list(DROP),
    counted_since: optional(said('somebody said `status --reset` then', moment)),
    since: optional(said('when it was configured last', moment)),
  }),
);
