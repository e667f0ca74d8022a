import fc from 'fast-check';

/** Any IPv4 address as four bytes. */
export const ipv4Bytes = fc.uint8Array({ minLength: 4, maxLength: 4 });
/** Any IPv6 address as sixteen bytes; runs of zeros are as frequent as they are in real ones. */
export const ipv6Bytes = fc
  .array(fc.oneof(fc.constant(0), fc.nat(0xffff)), { minLength: 8, maxLength: 8 })
  .map((groups) => Uint8Array.from(groups.flatMap((group) => [group >> 8, group & 255])));

export function ipv4Text(bytes: Uint8Array): string {
  return [...bytes].join('.');
}

/** All eight groups in full, without `::`. */
export function ipv6Groups(bytes: Uint8Array): string[] {
  return Array.from({ length: 8 }, (_, index) =>
    (((bytes[index * 2] ?? 0) << 8) | (bytes[index * 2 + 1] ?? 0)).toString(16),
  );
}

/**
 * An IPv6 address in one of the ways that RFC 4291 allows to write it: `::` for any run of zeros, leading zeros,
 * capitals.
 */
export const ipv6Text: fc.Arbitrary<{ readonly bytes: Uint8Array; readonly text: string }> = fc
  .record({ bytes: ipv6Bytes, from: fc.nat(7), padded: fc.boolean(), capitals: fc.boolean(), compress: fc.boolean() })
  .map(({ bytes, from, padded, capitals, compress }) => {
    const groups = ipv6Groups(bytes).map((group) => (padded ? group.padStart(4, '0') : group));
    const isZero = (index: number): boolean => /^0+$/.test(groups[index] ?? 'f');
    let text = groups.join(':');
    if (compress && isZero(from)) {
      let to = from;
      while (isZero(to + 1)) to += 1;
      text = `${groups.slice(0, from).join(':')}::${groups.slice(to + 1).join(':')}`;
    }
    return { bytes, text: capitals ? text.toUpperCase() : text };
  });
