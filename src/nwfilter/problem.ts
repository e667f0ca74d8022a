/** One thing that is wrong with a filter, or that an admin should know of it. */
export interface FilterProblem {
  readonly file: string;
  readonly line: number;
  /** `rule`, `tcp`. */
  readonly element: string;
  readonly attribute?: string | undefined;
  readonly message: string;
  readonly hint: string;
}

/** As one line for people. */
export function problemLine({ file, line, element, attribute, message }: FilterProblem): string {
  return `${file}:${line}: <${element}>${attribute === undefined ? '' : ` ${attribute}`}: ${message}`;
}
