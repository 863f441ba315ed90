/**
 * YAML of strangers: all documents of a text as trees of nodes with their lines. Aliases are never expanded while
 * reading; a text whose aliases would expand to more than anybody means is refused, as is one that is nested too deep.
 */
import {
  isAlias,
  isCollection,
  isPair,
  isScalar,
  LineCounter,
  parseAllDocuments,
  visit,
  type Document,
  type Node,
  type Scalar,
} from 'yaml';

export interface YamlText {
  readonly documents: readonly YamlDocument[];
  /** Lines count from 1. */
  readonly lineOf: (node: Node) => number;
  /** Where it begins; columns count from 1, too. */
  readonly placeOf: (node: Node) => { readonly line: number; readonly column: number };
}

export interface YamlDocument {
  readonly root: Node | undefined;
  /** What an alias stands for. */
  readonly resolve: (node: Node) => Node | undefined;
  /** As plain values. */
  readonly toValue: () => unknown;
}

export class YamlError extends Error {
  /** 0 when it is about the text as a whole. */
  readonly line: number;

  constructor(message: string, line = 0) {
    super(message);
    this.line = line;
  }
}

/** Bytes of a text: reading takes about a second for each megabyte. */
const TEXT_LIMIT = 16 << 20;
/** Nodes after all aliases are expanded. */
const EXPANDED_LIMIT = 2_000_000;

/** Throws YamlError. */
export function readYaml(text: string): YamlText {
  if (text.length > TEXT_LIMIT) throw new YamlError(`it is larger than ${TEXT_LIMIT >> 20} MiB`);
  if (/(?:[[{]\s*){5000}|(?:[-?:] ){5000}/.test(text)) throw new YamlError('it is nested too deep');
  const lines = new LineCounter();
  const documents = parse(text, lines);
  for (const { errors } of documents) {
    const [error] = errors;
    if (error !== undefined)
      throw new YamlError(
        error.message.split('\n')[0]?.replace(/ at line .*$/, '') ?? '',
        lineAt(lines, error.pos[0]),
      );
  }
  return {
    documents: documents.map(documentOf),
    lineOf: ({ range }) => lineAt(lines, range?.[0] ?? 0),
    placeOf: ({ range }) => {
      const { line, col } = lines.linePos(range?.[0] ?? 0);
      return { line, column: col };
    },
  };
}

function parse(text: string, lineCounter: LineCounter): Document[] {
  try {
    const parsed = parseAllDocuments(text, { lineCounter, uniqueKeys: false, logLevel: 'silent' });
    return Array.isArray(parsed) ? [...parsed] : [];
  } catch (error) {
    if (error instanceof RangeError) throw new YamlError('it is nested too deep');
    throw error;
  }
}

const lineAt = (lines: LineCounter, offset: number): number => lines.linePos(offset).line;

function documentOf(document: Document): YamlDocument {
  const anchors = new Map<string, Node>();
  refuseBomb(document, anchors);
  return {
    root: document.contents ?? undefined,
    resolve: (node) => (isAlias(node) ? anchors.get(node.source) : node),
    toValue: () => document.toJS({ maxAliasCount: -1 }) as unknown,
  };
}

/** An anchor's size is known once its node ends: what is inside of it cannot name it. */
function refuseBomb(document: Document, anchors: Map<string, Node>): void {
  const sizes = new Map<Node, number>();
  let total = 0;
  const sizeOf = (node: unknown): number => {
    let size = 1;
    if (isAlias(node)) {
      const target = anchors.get(node.source);
      size = target === undefined ? 1 : (sizes.get(target) ?? 1);
    } else if (isPair(node)) size = sizeOf(node.key) + sizeOf(node.value);
    else if (isCollection(node)) size += node.items.reduce<number>((sum, item) => add(sum, sizeOf(item)), 0);
    if ((isScalar(node) || isCollection(node)) && node.anchor !== undefined) {
      anchors.set(node.anchor, node);
      sizes.set(node, size);
    }
    return size;
  };
  const add = (sum: number, size: number): number => {
    if (sum + size > EXPANDED_LIMIT) throw new YamlError('its aliases expand to too much');
    return sum + size;
  };
  total = sizeOf(document.contents);
  if (total > EXPANDED_LIMIT) throw new YamlError('its aliases expand to too much');
}

/** Every pair of a mapping whose key is a scalar, wherever it stands. */
export function* pairsOf(document: YamlDocument): Generator<{ key: string; value: Node }> {
  const found: { key: string; value: Node }[] = [];
  if (document.root === undefined) return;
  visit(document.root, {
    Pair: (_, pair) => {
      if (isScalar(pair.key) && isNode(pair.value)) found.push({ key: textOf(pair.key), value: pair.value });
    },
  });
  yield* found;
}

const isNode = (value: unknown): value is Node => isScalar(value) || isCollection(value) || isAlias(value);

/** As it was written: `1.10` is no number here. */
export const textOf = (scalar: Scalar): string =>
  typeof scalar.value === 'string' ? scalar.value : scalar.value === null ? '' : (scalar.source ?? '');
