import { isHost } from '../net/ip-prefix.ts';
import { addressSet } from './address-set.ts';
import { choice, notPossible, type ValueKind, type WrongValue } from './value-kind.ts';

const CHOICE = choice({
  off: 'its addresses are those that Xen and the policy say',
  dhcp: 'also what a DHCP server gave it; until then it does DHCP and ARP probes (nftables only)',
});

/** libvirt has a third word; it is refused with the reason: trust in the first packet is what an attacker waits for. */
export const learnChoice: typeof CHOICE = {
  ...CHOICE,
  read: (text) =>
    text === 'any'
      ? {
          wrong: [
            {
              what: '= "any" is not possible: it would believe the first packet, so a guest could take any address by sending first',
              meant: 'dhcp',
            },
          ],
        }
      : CHOICE.read(text),
};

/** Single IPv4 addresses: the source of an answer is compared with each. */
export const serverSet: typeof addressSet = {
  ...addressSet,
  possible: 'IPv4 addresses of DHCP servers or relays: 192.0.2.1 192.0.2.2; or none',
  read(text) {
    const read = addressSet.read(text);
    if (!('value' in read)) return read;
    const wrong = read.value
      .filter((prefix) => !isHost(prefix) || prefix.bytes.length !== 4)
      .map((prefix): WrongValue => ({ what: `has ${prefix.text}, which is no single IPv4 address`, meant: undefined }));
    return wrong.length > 0 ? { wrong } : read;
  },
};

/** A number of addresses. */
export const addressCount: ValueKind<number> = {
  possible: 'a number from 1 to 1000',
  words: [],
  several: false,
  all: undefined,
  read(text) {
    const count = /^\d{1,4}$/.test(text) ? Number(text) : 0;
    return count >= 1 && count <= 1000 ? { value: count } : { wrong: [notPossible(text, undefined)] };
  },
  write: String,
};

const UNITS = { s: 1, m: 60, h: 3600, d: 86_400 } as const;
const MOST_SECONDS = 30 * UNITS.d;

/** Seconds, written as nft does: `12h`, `1d`. */
export const duration: ValueKind<number> = {
  possible: 'a time from 60s to 30d, as 90m, 12h or 1d',
  words: [],
  several: false,
  all: undefined,
  read(text) {
    const [, amount = '', unit = ''] = /^(\d{1,7})([smhd])$/.exec(text) ?? [];
    const seconds = Number(amount) * (Object.entries(UNITS).find(([name]) => name === unit)?.[1] ?? 0);
    if (seconds >= UNITS.m && seconds <= MOST_SECONDS) return { value: seconds };
    return { wrong: [notPossible(text, /^\d+$/.test(text) ? `${text}s` : undefined)] };
  },
  write(seconds) {
    const unit = (['d', 'h', 'm'] as const).find((one) => seconds % UNITS[one] === 0) ?? 's';
    return `${seconds / UNITS[unit]}${unit}`;
  },
};
