/** What was measured of one subject under one condition. */
export interface Series {
  /** `online`, `packet in`, ... */
  readonly figure: string;
  /** Whose: `standalone`, `node`, `stock`, ... */
  readonly subject: string;
  /** How many vifs there were. */
  readonly vifs: number;
  readonly unit: 'ms' | 'ns' | 'MiB';
  readonly samples: number[];
  /** CPU time of the run with all its children, milliseconds. */
  readonly cpu?: number[];
}

/** Collects samples into series, in the order in which they first appear. */
export interface Ledger {
  readonly series: readonly Series[];
  add(key: Pick<Series, 'figure' | 'subject' | 'vifs' | 'unit'>, sample: number, cpu?: number): void;
  find(figure: string, subject: string, vifs: number): Series | undefined;
}

export function openLedger(): Ledger {
  const series: Series[] = [];
  const find: Ledger['find'] = (figure, subject, vifs) =>
    series.find((one) => one.figure === figure && one.subject === subject && one.vifs === vifs);
  return {
    series,
    find,
    add(key, sample, cpu) {
      let one = find(key.figure, key.subject, key.vifs);
      if (one === undefined) {
        one = { ...key, samples: [], ...(cpu === undefined ? {} : { cpu: [] }) };
        series.push(one);
      }
      one.samples.push(sample);
      if (cpu !== undefined) one.cpu?.push(cpu);
    },
  };
}
