/** One thing that is wrong with a policy file. */
export interface Problem {
  readonly file: string;
  readonly line: number;
  readonly message: string;
  /** The word that was probably meant. */
  readonly meant?: string | undefined;
  readonly hint: string;
}
