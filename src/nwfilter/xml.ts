import { SaxesParser } from 'saxes';
import { shown } from '../errors.ts';
import type { FilterProblem } from './problem.ts';

/** An attribute, and the line in which it ends. */
export interface XmlAttribute {
  readonly value: string;
  readonly line: number;
}

export interface XmlElement {
  readonly name: string;
  readonly line: number;
  readonly attributes: ReadonlyMap<string, XmlAttribute>;
  readonly children: readonly XmlElement[];
  /** What stands in it besides elements. */
  readonly text: string;
}

interface Open {
  readonly name: string;
  readonly line: number;
  readonly attributes: Map<string, XmlAttribute>;
  readonly children: XmlElement[];
  text: string;
}

/** A filter of libvirt's has a few thousand bytes; no filter needs more than this many. */
const MOST_BYTES = 1_048_576;
const MOST_DEPTH = 32;

class Stop extends Error {}

/**
 * Reads an XML document. Nothing outside it is looked at: a document with a DOCTYPE is refused, and with it all
 * entities but the five of XML itself.
 */
export function readXml(
  text: string,
  file: string,
): { readonly root: XmlElement } | { readonly problem: FilterProblem } {
  const parser = new SaxesParser({ xmlns: false, fileName: file });
  const open: Open[] = [];
  let root: XmlElement | undefined;
  let wrong: FilterProblem | undefined;
  const stop = (message: string, hint: string): never => {
    wrong ??= { file, line: parser.line, element: open.at(-1)?.name ?? 'filter', message, hint };
    throw new Stop(message);
  };
  parser.on('doctype', () => stop('a DOCTYPE is not taken', 'remove it: filters need no DTD and no entities'));
  parser.on('error', (error) => {
    const what = error.message.slice(error.message.indexOf(': ') + 2);
    stop(`this is no XML: ${shown(what).slice(1, -1)}`, 'correct the file; xmllint shows more of it');
  });
  parser.on('opentagstart', ({ name }) => {
    if (open.length === MOST_DEPTH) stop('elements are too deep', `at most ${MOST_DEPTH}`);
    open.push({ name, line: parser.line, attributes: new Map(), children: [], text: '' });
  });
  parser.on('attribute', ({ name, value }) => {
    open.at(-1)?.attributes.set(name, { value, line: parser.line });
  });
  parser.on('text', (more) => {
    const inner = open.at(-1);
    if (inner !== undefined) inner.text += more;
  });
  parser.on('closetag', () => {
    const element = open.pop();
    if (element === undefined) return;
    const outer = open.at(-1);
    if (outer === undefined) root = element;
    else outer.children.push(element);
  });
  try {
    if (text.length > MOST_BYTES) stop('the file is too large', `at most ${MOST_BYTES} bytes`);
    parser.write(text).close();
  } catch (thrown) {
    if (!(thrown instanceof Stop)) throw thrown;
  }
  if (wrong !== undefined) return { problem: wrong };
  if (root !== undefined) return { root };
  return { problem: { file, line: 1, element: 'filter', message: 'the file is empty', hint: 'write a <filter>' } };
}
