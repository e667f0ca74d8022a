import type { MacAddress } from '../net/mac-address.ts';
import { macListText, parseMacList } from '../net/mac-list.ts';
import { NONE, readBy, type ValueKind } from './value-kind.ts';

/** MAC addresses of stations, one by one or as runs. */
export const macSet: ValueKind<readonly MacAddress[]> = {
  possible: `MAC addresses: 02:bf:0a:00:00:05, or FIRST+COUNT as 02:42:ac:11:00:00+16; or ${NONE}`,
  words: [],
  several: true,
  all: undefined,
  read(text) {
    if (text === NONE) return { value: [] };
    return readBy(() => {
      const macs = parseMacList(text, 'the policy file');
      return macs.length > 0 ? macs : undefined;
    }, 'names no MAC address');
  },
  write: (value) => (value.length === 0 ? NONE : macListText(value)),
  add: (value, more) => [...new Set([...value, ...more])],
};
