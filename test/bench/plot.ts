/** One line of a chart: a value for each category, undefined where there is none. */
export interface Line {
  readonly name: string;
  readonly values: readonly (number | undefined)[];
}

const WIDTH = 640;
const HEIGHT = 360;
const FRAME = { left: 70, right: 180, top: 40, bottom: 46 };
// Okabe and Ito's colours, which can be told apart by everybody.
const COLOURS = ['#0072b2', '#e69f00', '#009e73', '#d55e00', '#cc79a7', '#56b4e9'];

/**
 * A chart as SVG: categories from left to right, values upwards on a logarithmic scale (equal ratios are equal
 * distances).
 *
 * @param unit of the values, for the axis
 */
export function chart(
  title: string,
  unit: string,
  across: string,
  categories: readonly string[],
  lines: readonly Line[],
): string {
  const values = lines.flatMap((line) => line.values.filter((value) => value !== undefined));
  const low = Math.floor(Math.log10(Math.min(...values)));
  const high = Math.max(low + 1, Math.ceil(Math.log10(Math.max(...values))));
  const bottom = HEIGHT - FRAME.bottom;
  const right = WIDTH - FRAME.right;
  const x = (index: number): number => round(FRAME.left + ((index + 0.5) * (right - FRAME.left)) / categories.length);
  const y = (value: number): number =>
    round(bottom - ((Math.log10(value) - low) / (high - low)) * (bottom - FRAME.top));
  const grid = Array.from({ length: high - low + 1 }, (_, index) => 10 ** (low + index)).flatMap((value) => [
    `<line x1="${FRAME.left}" x2="${right}" y1="${y(value)}" y2="${y(value)}" stroke="#bbb"/>`,
    text(FRAME.left - 6, y(value) + 4, value.toLocaleString('en'), 'end'),
  ]);
  const drawn = lines.flatMap((line, number) => {
    const colour = COLOURS[number % COLOURS.length];
    const points = line.values.flatMap((value, index) => (value === undefined ? [] : [[x(index), y(value)] as const]));
    const last = points.at(-1);
    return [
      `<polyline fill="none" stroke="${colour}" stroke-width="2" points="${points.map((point) => point.join(',')).join(' ')}"/>`,
      ...points.map(([cx, cy]) => `<circle cx="${cx}" cy="${cy}" r="3.5" fill="${colour}"/>`),
      ...(last === undefined ? [] : [label(right + 10, legendPlace(lines, number, y), line.name, colour)]),
    ];
  });
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" font-family="sans-serif" font-size="12">`,
    `<title>${escaped(title)}</title>`,
    `<rect width="${WIDTH}" height="${HEIGHT}" fill="#fff"/>`,
    `<text x="${FRAME.left}" y="20" font-size="14" font-weight="bold">${escaped(title)}</text>`,
    text(FRAME.left - 6, FRAME.top - 6, unit, 'end'),
    ...grid,
    ...categories.map((category, index) => text(x(index), bottom + 18, category, 'middle')),
    text((FRAME.left + right) / 2, bottom + 36, across, 'middle'),
    ...drawn,
    '</svg>',
    '',
  ].join('\n');
}

/** Beside the last point, but not closer than a line of text to the one above. */
function legendPlace(lines: readonly Line[], number: number, y: (value: number) => number): number {
  const order = lines
    .map((line, index) => ({ index, at: y(line.values.findLast((value) => value !== undefined) ?? 1) }))
    .sort((a, b) => a.at - b.at);
  let previous = Number.NEGATIVE_INFINITY;
  for (const one of order) {
    previous = Math.max(one.at, previous + 16);
    if (one.index === number) break;
  }
  return previous + 4;
}

function label(x: number, y: number, words: string, colour: string | undefined): string {
  return `<text x="${x}" y="${round(y)}" fill="${colour}">${escaped(words)}</text>`;
}

function text(x: number, y: number, words: string, anchor: 'start' | 'middle' | 'end'): string {
  return `<text x="${x}" y="${round(y)}" text-anchor="${anchor}" fill="#333">${escaped(words)}</text>`;
}

function escaped(words: string): string {
  return words.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}
