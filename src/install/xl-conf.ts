/** The line of xl.conf that makes a script the one of every guest that names none. */
export const XL_CONF_LINE = 'vif.default.script="vif-bridge-locked"';

/** Behind a line that was there before, so that it can be put back. */
const BEFORE = '# before xen-vif-bridge: ';
const SETTING = /^\s*vif\.default\.script\s*=/;

/**
 * The text of xl.conf (xl.conf(5)) with that line, and no other one that is in force: xl takes the last, and what was
 * there stays as a comment.
 */
export function withOurScript(text: string): string {
  if (settings(text).every((line) => line === XL_CONF_LINE) && settings(text).length === 1) return text;
  const lines = linesOf(text).flatMap((line) =>
    !SETTING.test(line) ? [line] : line === XL_CONF_LINE ? [] : [`${BEFORE}${line}`],
  );
  return `${[...lines, XL_CONF_LINE].join('\n')}\n`;
}

/** The text without that line, and with what was there before. */
export function withoutOurScript(text: string): string {
  const lines = linesOf(text)
    .filter((line) => line !== XL_CONF_LINE)
    .map((line) => (line.startsWith(BEFORE) ? line.slice(BEFORE.length) : line));
  return lines.length === 0 ? '' : `${lines.join('\n')}\n`;
}

/** True if guests are started with our script because of it. */
export function namesOurScript(text: string): boolean {
  return settings(text).at(-1)?.includes('vif-bridge-locked') === true;
}

function settings(text: string): string[] {
  return linesOf(text).filter((line) => SETTING.test(line));
}

function linesOf(text: string): string[] {
  const lines = text.split('\n');
  return lines.at(-1) === '' ? lines.slice(0, -1) : lines;
}
