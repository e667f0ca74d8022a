/** A terminal that is drawn anew again and again, and is afterwards as it was before. */
export interface Screen {
  /** Draws a text; what is wider or higher than the terminal is cut. */
  draw(text: string): void;
  /** Resolves when somebody has typed q or Ctrl-C, or sent a signal that ends. */
  readonly ended: Promise<void>;
  readonly hasEnded: () => boolean;
  /** Puts the terminal back. Twice is fine. */
  close(): void;
}

/** xterm's alternate screen (1049) and cursor (25), as every terminal of today has them. */
const OPEN = '\u001b[?1049h\u001b[?25l';
const CLOSE = '\u001b[?25h\u001b[?1049l';
const HOME = '\u001b[H';
/** The beginning of a colour, the only sequence that what is drawn has. */
const ESCAPE = '\u001b[';
const REST_OF_LINE = '\u001b[K';
const REST_OF_SCREEN = '\u001b[J';
const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
/** q, Ctrl-C, Ctrl-D. */
const KEYS = ['q', 'Q', '\u0003', '\u0004'];

export function openScreen(input: NodeJS.ReadStream, output: NodeJS.WriteStream): Screen {
  let isOpen = true;
  let hasEnded = false;
  let resolve = (): void => {};
  const ended = new Promise<void>((done) => {
    resolve = done;
  });
  const end = (): void => {
    hasEnded = true;
    resolve();
  };
  const typed = (bytes: Buffer): void => {
    const text = bytes.toString('latin1');
    if (KEYS.some((key) => text.includes(key))) end();
  };
  const close = (): void => {
    if (!isOpen) return;
    isOpen = false;
    for (const signal of SIGNALS) process.off(signal, end);
    process.off('exit', close);
    if (input.isTTY) {
      input.off('data', typed);
      input.setRawMode(false);
      input.pause();
    }
    output.write(CLOSE);
  };
  for (const signal of SIGNALS) process.on(signal, end);
  process.on('exit', close);
  if (input.isTTY) {
    input.setRawMode(true);
    input.on('data', typed);
    input.resume();
  }
  output.write(OPEN);
  return {
    ended,
    hasEnded: () => hasEnded,
    close,
    draw(text) {
      const lines = text.split('\n').slice(0, Math.max(1, output.rows - 1));
      output.write(
        `${HOME}${lines.map((line) => cut(line, output.columns) + REST_OF_LINE).join('\n')}${REST_OF_SCREEN}`,
      );
    },
  };
}

/** The beginning of a line that fits; what colours it takes no room. */
function cut(line: string, columns: number): string {
  let room = columns;
  return line
    .split(ESCAPE)
    .map((part, index) => {
      // Behind an escape its parameters, up to the m.
      const from = index === 0 ? 0 : part.indexOf('m') + 1;
      const shown = [...part.slice(from)].slice(0, room);
      room -= shown.length;
      return `${index === 0 ? '' : ESCAPE}${part.slice(0, from)}${shown.join('')}`;
    })
    .join('');
}
