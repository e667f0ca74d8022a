import { join } from 'node:path';
import { isFile, isFolder, list, makeFolder, type Place, remove, removeEmpty, writeText } from './files.ts';

/** An address or a block of a vif, as the record has it. */
export interface OwnedAddress {
  readonly owner: string;
  readonly address: string;
}

/**
 * Whose which address is, in files without a text: `address/single/192.0.2.10/vif1.0`, and, as few have blocks,
 * `address/block/192.0.2.0_28~vif1.0`. To ask for one address costs the same at any number of vifs.
 */
export interface AddressIndex {
  /** False where it must be made first: a state of an earlier version has none. */
  isThere(): boolean;
  make(): void;
  add(one: OwnedAddress): void;
  remove(one: OwnedAddress): void;
  all(): OwnedAddress[];
  /** Who has one of these addresses, and all blocks. */
  around(addresses: readonly string[]): OwnedAddress[];
}

export function addressIndex(place: Place): AddressIndex {
  const index = join(place.directory, 'address');
  const singles = join(index, 'single');
  const blocks = join(index, 'block');
  const folderOf = (address: string): string => join(singles, address);
  const fileOf = ({ owner, address }: OwnedAddress): string =>
    address.includes('/') ? join(blocks, `${address.replace('/', '_')}~${owner}`) : join(folderOf(address), owner);
  const ownersOf = (address: string): OwnedAddress[] => list(folderOf(address)).map((owner) => ({ owner, address }));
  const allBlocks = (): OwnedAddress[] =>
    list(blocks).map((name) => {
      const [address = '', owner = ''] = name.split('~');
      return { owner, address: address.replace('_', '/') };
    });
  return {
    isThere: () => isFolder(index),
    make: () => makeFolder(place, index),
    add(one) {
      const file = fileOf(one);
      if (!isFile(file)) writeText(place, file, '');
    },
    remove(one) {
      remove(place, fileOf(one));
      if (!one.address.includes('/')) removeEmpty(folderOf(one.address));
    },
    all: () => [...list(singles).flatMap(ownersOf), ...allBlocks()],
    around: (wanted) => [...wanted.flatMap(ownersOf), ...allBlocks()],
  };
}
