/** Values by their keys, in the order in which they come. */
export function grouped<K, V>(pairs: readonly (readonly [key: K, value: V])[]): Map<K, V[]> {
  const groups = new Map<K, V[]>();
  for (const [key, value] of pairs) {
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [value]);
    else group.push(value);
  }
  return groups;
}
