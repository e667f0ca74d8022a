import type { ShownGuestConfig } from '../../commands/guest-config.ts';
import { GUEST_FORMATS } from '../../guest/format.ts';
import type { GuestNic, NicFamily } from '../../guest/guest-network.ts';
import { boolean, count, list, object, oneOf, optional, type Schema, said, string, words } from './schema.ts';

/** `vif-bridge guest-config --json` */
export const GUEST_CONFIG: Schema<ShownGuestConfig> = object<ShownGuestConfig>({
  format: words(Object.keys(GUEST_FORMATS)),
  nics: list(
    object<GuestNic>({
      device: said('in dom0', string),
      name: said('in the guest, as far as anybody can know', string),
      mac: { json: string.json },
      families: list(
        object<NicFamily>({
          family: oneOf(4, 6),
          addresses: said('the main one first', list(string)),
          gateway: optional(said('absent: no default route', string)),
          onlink: said('the router is in no subnet of the NIC', boolean),
          main: said('it has the default route of the main table', boolean),
          table: optional(said('a routing table of its own', count)),
          sources: said('all that the guest may send from here', list(string)),
          subnets: said('whose other stations are on its link', list(string)),
        }),
      ),
    }),
  ),
  notes: list(string),
  text: said('what goes into the guest', string),
});
