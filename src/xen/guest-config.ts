/**
 * Guest configurations as xl reads them (xl.cfg(5), libxlu_cfg_l.l), as far as a network needs it: strings, numbers and
 * lists of strings, by name. What cannot be read is left out: this only looks, xl decides.
 */
export type GuestConfig = ReadonlyMap<string, string | readonly string[]>;

/** A word, a quoted string (with backslash), or a sign; comments and blanks go, in any order. */
const TOKEN = /(?:\s|#[^\n]*(?:\n|$))*(?:"((?:\\.|[^"\\])*)"|'((?:\\.|[^'\\])*)'|([\w.+-]+)|([^\s#]))/y;

type Token = { readonly text: string } | { readonly word: string } | { readonly sign: string };

export function parseGuestConfig(text: string): GuestConfig {
  const tokens = tokensOf(text);
  const config = new Map<string, string | readonly string[]>();
  for (let at = 0; at + 2 < tokens.length; at += 1) {
    const [name, is, first] = tokens.slice(at, at + 3);
    if (name === undefined || !('word' in name) || is === undefined || !('sign' in is) || is.sign !== '=') continue;
    if (first !== undefined && 'sign' in first && first.sign === '[') {
      const end = tokens.findIndex((one, index) => index > at && 'sign' in one && one.sign === ']');
      const inside = tokens.slice(at + 3, end < 0 ? undefined : end);
      config.set(
        name.word,
        inside.flatMap((one) => ('text' in one ? [one.text] : [])),
      );
      at = end < 0 ? tokens.length : end;
    } else if (first !== undefined && !('sign' in first)) {
      config.set(name.word, 'text' in first ? first.text : first.word);
      at += 2;
    }
  }
  return config;
}

function tokensOf(text: string): Token[] {
  const tokens: Token[] = [];
  const token = new RegExp(TOKEN);
  for (let match = token.exec(text); match !== null; match = token.exec(text)) {
    const [, double, single, word, sign] = match;
    const quoted = double ?? single;
    if (quoted !== undefined) tokens.push({ text: quoted.replace(/\\(.)/g, unescaped) });
    else if (word !== undefined) tokens.push({ word });
    else if (sign !== undefined) tokens.push({ sign });
  }
  return tokens;
}

function unescaped(_: string, character: string): string {
  return { n: '\n', t: '\t', r: '\r' }[character] ?? character;
}

/** One element of `vif = [ ... ]` as xl takes it apart (xl_parse.c: parse_nic_config). */
export interface ParsedNic {
  /** What xl hands on. */
  readonly keys: ReadonlyMap<string, string>;
  /** What xl ignores, with one line on stderr, and starts the guest all the same. */
  readonly ignored: readonly string[];
}

/** The keys that xl knows, up to 4.20; a key is one only with this spelling, right before `=`. */
const KEYS = [
  ...['type', 'mac', 'bridge', 'script', 'ip', 'backend', 'vifname', 'rate', 'model', 'gatewaydev', 'netdev'],
  ...['mtu', 'vlan', 'devid', 'accel', 'trusted', 'untrusted', 'forwarddev'],
];

/** Parts between commas; blanks before each are dropped, tabs and blanks behind are not. */
export function parseNic(text: string): ParsedNic {
  const keys = new Map<string, string>();
  const ignored: string[] = [];
  for (const part of text.split(',').map((one) => one.replace(/^ +/, ''))) {
    if (part === '') continue;
    const [, key, value] = /^([a-z_]+)(?:=(.*))?$/s.exec(part) ?? [];
    if (key === undefined || !(KEYS.includes(key) || key.startsWith('colo_'))) ignored.push(part);
    else keys.set(key, value ?? '');
  }
  return { keys, ignored };
}
