/** One spelling for all that nft has for one element: numbers in decimal, whatever they were written as. */
export function canonical(text: string): string {
  return text
    .split(' . ')
    .map((part) => part.replace(/\b0x[0-9a-f]+\b/g, (hex) => BigInt(hex).toString()))
    .join(' . ')
    .replace(/ limit rate over (\d+)\/(\w+) burst (\d+) packets$/, ' limit $1/$2 $3');
}
