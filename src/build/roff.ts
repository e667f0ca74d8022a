/** Text as lines of roff: nothing in it is taken for a request or an escape, and dashes stay what they are. */
export function paragraph(text: string): string {
  return wrapped(text, '').map(roff).join('\n');
}

/** One line of text, so that roff prints it as it is. */
export function roff(line: string): string {
  const escaped = line.replaceAll('\\', '\\e').replaceAll('-', '\\-');
  return /^[.']/.test(escaped) ? `\\&${escaped}` : escaped;
}

/** Width of a line. */
export const COLUMNS = 100;

/** Text in lines that begin with `start`. */
export function wrapped(text: string, start: string, columns = COLUMNS): string[] {
  const lines: string[] = [];
  let line = start.trimEnd();
  for (const word of text.split(' ')) {
    const longer = line.trim() === start.trim() ? `${start}${word}` : `${line} ${word}`;
    if (longer.length > columns && line.trim() !== start.trim()) {
      lines.push(line);
      line = `${start}${word}`;
    } else {
      line = longer;
    }
  }
  return [...lines, line];
}

export function capital(text: string): string {
  return `${text.slice(0, 1).toUpperCase()}${text.slice(1)}`;
}
