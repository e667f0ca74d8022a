/** The node of a xenstore path: a value, possibly empty, and named children. */
interface Node {
  value: Buffer;
  readonly children: Map<string, Node>;
}

/** The tree of a xenstore. Paths are absolute and valid; see {@link isValidPath}. */
export interface StoreTree {
  /** undefined when there is no such node. */
  read(path: string): Buffer | undefined;
  /** Missing parents are made, with empty values. */
  write(path: string, value: Buffer): void;
  /** Makes a node with an empty value; leaves an existing one alone. */
  mkdir(path: string): void;
  /** Names of the children in order of creation; undefined when there is no such node. */
  list(path: string): string[] | undefined;
  /** @returns all paths that went away, parents first; undefined when there was no such node */
  remove(path: string): string[] | undefined;
  /** All nodes as path and value, parents first. */
  entries(path?: string): [string, Buffer][];
}

const MAX_PATH = 3072;

/** The rule of xenstored's is_valid_nodename(): no dot among them, so `vif1.0` is no node name. */
export function isValidPath(path: string): boolean {
  if (path.length > MAX_PATH || /[^A-Za-z0-9/_@-]/.test(path) || path.includes('//')) return false;
  return path === '/' || (path.startsWith('/') && !path.endsWith('/'));
}

export function parentOf(path: string): string {
  return path.slice(0, path.lastIndexOf('/')) || '/';
}

export function createStoreTree(): StoreTree {
  const root: Node = { value: Buffer.alloc(0), children: new Map() };

  const names = (path: string): string[] => path.split('/').filter(Boolean);
  const find = (path: string): Node | undefined => {
    let node: Node | undefined = root;
    for (const name of names(path)) node = node?.children.get(name);
    return node;
  };
  const make = (path: string): Node => {
    let node = root;
    for (const name of names(path)) {
      const child: Node = node.children.get(name) ?? { value: Buffer.alloc(0), children: new Map() };
      node.children.set(name, child);
      node = child;
    }
    return node;
  };
  const entries = (path = '/'): [string, Buffer][] => {
    const node = find(path);
    if (!node) return [];
    const prefix = path === '/' ? '' : path;
    return [[path, node.value], ...[...node.children.keys()].flatMap((name) => entries(`${prefix}/${name}`))];
  };

  return {
    read: (path) => find(path)?.value,
    write: (path, value) => {
      make(path).value = value;
    },
    mkdir: (path) => {
      make(path);
    },
    list: (path) => {
      const node = find(path);
      return node && [...node.children.keys()];
    },
    remove: (path) => {
      if (!find(path) || path === '/') return undefined;
      const gone = entries(path).map(([name]) => name);
      find(parentOf(path))?.children.delete(path.slice(path.lastIndexOf('/') + 1));
      return gone;
    },
    entries,
  };
}
