/** One spelling for all that nft has for one element: numbers in decimal, whatever they were written as. */
export function canonical(text: string): string {
  const numbers = text.includes('0x') ? text.replace(/\b0x[0-9a-f]+\b/g, (hex) => BigInt(hex).toString()) : text;
  return numbers.includes(' limit ')
    ? numbers.replace(/ limit rate over (\d+)\/(\w+) burst (\d+) packets$/, ' limit $1/$2 $3')
    : numbers;
}
