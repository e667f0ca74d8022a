import { printable } from '../../errors.ts';

/** One value of a family: its labels, in the order in which they are printed, and a number. */
export interface Sample {
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

/** Values of one name. */
export interface Family {
  /** `[a-z_]+`; of a counter it ends in `_total`. */
  readonly name: string;
  readonly kind: 'gauge' | 'counter';
  readonly help: string;
  readonly samples: readonly Sample[];
}

/**
 * Text that is OpenMetrics 1.0 and Prometheus' older format (0.0.4) at once: node_exporter's textfile collector reads
 * only the older one, and refuses what that has no word for (`info`, `unknown`).
 *
 * A counter `x_total` is of the family `x` in OpenMetrics and of `x_total` in the older one: a TYPE line would be an
 * error to one of both readers. So a counter has none, which both take for a number of no known type; the ending says
 * the rest. (Tried: promtool 2.42, and prometheus_client's parser of OpenMetrics.)
 */
export function openMetrics(families: readonly Family[]): string {
  const lines = families.flatMap(({ name, kind, help, samples }) => [
    `# HELP ${name} ${helpText(help)}`,
    ...(kind === 'gauge' ? [`# TYPE ${name} gauge`] : []),
    ...samples.map(({ labels, value }) => `${name}${labelText(labels)} ${value}`),
  ]);
  return [...lines, '# EOF', ''].join('\n');
}

function helpText(help: string): string {
  return printable(help).replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n');
}

function labelText(labels: Readonly<Record<string, string>>): string {
  const pairs = Object.entries(labels).map(([name, value]) => `${name}="${escaped(value)}"`);
  return pairs.length === 0 ? '' : `{${pairs.join(',')}}`;
}

/**
 * OpenMetrics 1.0, escaped-string: backslash, quote and line feed. What else is no text (a guest's name may hold
 * anything) is `?`, so that nothing downstream, a log or a terminal, has to think of it.
 */
function escaped(value: string): string {
  return printable(value).replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n');
}
