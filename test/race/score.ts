/** What came of many runs at once, round by round. */
export interface Score {
  readonly who: string;
  readonly rounds: readonly Round[];
}

export interface Round {
  /** Runs of the script, one for each vif. */
  readonly runs: number;
  /** Runs that ended with an error, or said one. */
  readonly errors: number;
  /** The first error, for the report. */
  readonly said: string | undefined;
  /** Vifs whose rules are not what they are if their run is alone. */
  readonly wrong: readonly string[];
  readonly seconds: number;
}

/** A round in which everything is as it should be. */
export function isClean(round: Round): boolean {
  return round.errors === 0 && round.wrong.length === 0;
}

export function failedRounds(score: Score): number {
  return score.rounds.filter((round) => !isClean(round)).length;
}

/** The scores as a table for people. */
export function scoreText(scores: readonly Score[], vifs: number): string {
  const sum = (rounds: readonly Round[], of: (round: Round) => number): number =>
    rounds.reduce((total, round) => total + of(round), 0);
  const rows = scores.map(({ who, rounds }) => [
    who,
    `${sum(rounds, (round) => round.errors)} of ${sum(rounds, (round) => round.runs)}`,
    `${sum(rounds, (round) => round.wrong.length)} of ${vifs * rounds.length}`,
    `${rounds.filter((round) => !isClean(round)).length} of ${rounds.length}`,
    (sum(rounds, (round) => round.seconds) / Math.max(1, rounds.length)).toFixed(1),
  ]);
  const head = ['', 'runs with an error', 'vifs with wrong rules', 'rounds that failed', 'seconds a round'];
  const widths = head.map((title, column) => Math.max(title.length, ...rows.map((row) => row[column]?.length ?? 0)));
  const line = (cells: readonly string[]): string =>
    cells
      .map((cell, column) => (column === 0 ? cell.padEnd(widths[0] ?? 0) : cell.padStart(widths[column] ?? 0)))
      .join('  ');
  const said = scores.flatMap(({ who, rounds }) => {
    const first = rounds.find((round) => round.said !== undefined)?.said;
    return first === undefined ? [] : [`${who} said first:`, `  ${first}`];
  });
  return [line(head), ...rows.map(line), ...(said.length === 0 ? [] : ['', ...said]), ''].join('\n');
}
