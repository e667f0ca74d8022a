/**
 * What went wrong, in the form every user of the program meets it: what, where, what to do.
 *
 *     error: 192.0.2.300 is not an IPv4 address
 *     at     ip= of backend/vif/1/0
 *     hint:  write 192.0.2.30 or 192.0.2.0/24; separate several with blanks
 */
export type FailureCode =
  /** The command line, the environment, xenstore or the policy file holds something that cannot be accepted. */
  | 'input'
  /** A device, bridge or xenstore node that must be there is not. */
  | 'missing'
  /** A program ended with an error, or could not be started. */
  | 'tool'
  /** A program that this host does not have. */
  | 'not-installed'
  /** A program, a lock or a device did not answer in time. */
  | 'timeout'
  /** A bug of ours: something that the types rule out has happened. */
  | 'internal';

export class Failure extends Error {
  readonly code: FailureCode;
  /** Where the offending value stands: a file and line, an argument, a xenstore key. */
  readonly at: string | undefined;
  /** What to do about it. */
  readonly hint: string | undefined;
  /** All that a program said when it failed; the message has only its beginning. */
  readonly stderr: string;

  constructor(
    code: FailureCode,
    message: string,
    more: { at?: string | undefined; hint?: string | undefined; stderr?: string } = {},
  ) {
    super(message);
    this.name = 'Failure';
    this.code = code;
    this.at = more.at;
    this.hint = more.hint;
    this.stderr = more.stderr ?? '';
  }
}

/** The exit status of a run that failed. Xen only tells 0 from the rest (libxl_exec.c). */
export const FAILED = 1;

/** Turns anything thrown into a Failure, so that one place can report it. */
export function asFailure(thrown: unknown): Failure {
  if (thrown instanceof Failure) return thrown;
  const text = thrown instanceof Error ? thrown.message : String(thrown);
  if (['EACCES', 'EPERM'].includes((thrown as NodeJS.ErrnoException | undefined)?.code ?? '')) {
    return new Failure('tool', text, { hint: 'run it as root' });
  }
  return new Failure('internal', text, { hint: 'this is a bug in vif-bridge; please report it' });
}

/**
 * One line of printable ASCII, at most `limit` characters, for xenstore's `hotplug-error` and for syslog.
 *
 * xl prints hotplug-error raw, line feeds included; xenstore-write unescapes backslashes (measured: a value with a
 * backslash is read as an escape). So neither may be in it.
 */
export function oneLine(text: string, limit = 240): string {
  const line = text
    .replace(/[\r\n\t]+/g, ' ')
    .replace(/[^\x20-\x7e]/g, '?')
    .replaceAll('\\', '/')
    .replace(/ {2,}/g, ' ')
    .trim();
  return line.length > limit ? `${line.slice(0, limit - 3)}...` : line;
}

/**
 * Text with values from outside (arguments, xenstore, files), for a terminal: a control character would be a command to
 * it. Only line feeds and tabs stay: ECMA-48 has its others in U+0000 to U+001F and U+007F to U+009F; those of Unicode
 * change the direction in which a line is read.
 */
export function printable(text: string): string {
  return text.replace(/[^\P{C}\n\t]|[\u2028\u2029]/gu, '?');
}

/** The same failure as one line: "message (at; hint)". */
export function failureLine(failure: Failure): string {
  const extra = [failure.at, failure.hint].filter((part) => part !== undefined).join('; ');
  return oneLine(extra === '' ? failure.message : `${failure.message} (${extra})`);
}

/** Quotes a value from outside for an error message: printable, short, clearly delimited. */
export function shown(value: string): string {
  const text = value.length > 60 ? `${value.slice(0, 57)}...` : value;
  return JSON.stringify(text).replace(/[^\x20-\x7e]/g, '?');
}
