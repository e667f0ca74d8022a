/** JSON for a pipe that may end at a terminal: what would be a command to one is written as an escape. */
export function jsonText(value: unknown): string {
  return printed(JSON.stringify(value, undefined, 2));
}

/** The same in one line: of many, each is a text of its own. */
export function jsonLine(value: unknown): string {
  return printed(JSON.stringify(value));
}

function printed(json: string): string {
  return `${json.replace(/[^\P{C}\n]|[\u2028\u2029]/gu, escaped)}\n`;
}

/** RFC 8259 §7: each unit of UTF-16 by itself. */
function escaped(character: string): string {
  const units = Array.from({ length: character.length }, (_, index) => character.charCodeAt(index));
  return units.map((unit) => `\\u${unit.toString(16).padStart(4, '0')}`).join('');
}
