/** A small YAML text as a tree of texts, lists and mappings, each with its place: for files that people write for us. */
import { isMap, isScalar, isSeq, type Node } from 'yaml';
import { readYaml, textOf, YamlError, type YamlDocument, type YamlText } from './documents.ts';

interface Placed {
  /** Both count from 1. */
  readonly line: number;
  readonly column: number;
}

export type YamlTree = YamlLeaf | YamlList | YamlMapping;

export interface YamlLeaf extends Placed {
  readonly kind: 'text';
  /** As it was written: `1.10` is no number here. */
  readonly text: string;
  /** What it would be without quotes around it: a switch is a boolean, and nothing may be null. */
  readonly type: 'string' | 'number' | 'boolean' | 'null';
}

export interface YamlList extends Placed {
  readonly kind: 'list';
  readonly items: readonly YamlTree[];
}

export interface YamlMapping extends Placed {
  readonly kind: 'mapping';
  /** In order; the same key may come twice. */
  readonly entries: readonly { readonly key: YamlLeaf; readonly value: YamlTree }[];
}

/** Far more than anybody writes by hand. */
const DEEPEST = 32;
const MOST_NODES = 20_000;

/** Undefined for a text without content. Throws YamlError. */
export function readTree(text: string): YamlTree | undefined {
  const yaml = readYaml(text);
  const [document, second] = yaml.documents;
  if (second?.root !== undefined) throw new YamlError('it has several documents', yaml.lineOf(second.root));
  const root = document?.root;
  if (document === undefined || root === undefined) return undefined;
  if (isScalar(root) && root.value === null) return undefined;
  return new TreeReader(yaml, document).read(root, 0);
}

class TreeReader {
  readonly #yaml: YamlText;
  readonly #document: YamlDocument;
  #nodes = 0;

  constructor(yaml: YamlText, document: YamlDocument) {
    this.#yaml = yaml;
    this.#document = document;
  }

  /** An alias may name what it stands in: the tree would have no end. */
  read(node: unknown, depth: number): YamlTree {
    const target = node === null ? undefined : this.#document.resolve(node as Node);
    const place = this.#yaml.placeOf((target ?? node) as Node);
    if (depth > DEEPEST) throw new YamlError('it is nested too deep', place.line);
    if (++this.#nodes > MOST_NODES) throw new YamlError('it is too much', place.line);
    if (isSeq(target))
      return { kind: 'list', items: target.items.map((item) => this.read(item, depth + 1)), ...place };
    if (isMap(target)) {
      const entries = target.items.map(({ key, value }) => ({
        key: this.#key(key, depth + 1),
        value: value === null ? { ...this.#key(key, depth + 1), ...EMPTY } : this.read(value, depth + 1),
      }));
      return { kind: 'mapping', entries, ...place };
    }
    if (!isScalar(target)) throw new YamlError('an alias names nothing', place.line);
    return { kind: 'text', text: textOf(target), type: typeOf(target.value), ...place };
  }

  #key(node: unknown, depth: number): YamlLeaf {
    const key = this.read(node, depth);
    if (key.kind === 'text') return key;
    throw new YamlError('a key is no word', key.line);
  }
}

const EMPTY = { text: '', type: 'null' } as const;

function typeOf(value: unknown): YamlLeaf['type'] {
  if (value === null) return 'null';
  if (typeof value === 'boolean') return 'boolean';
  return typeof value === 'number' || typeof value === 'bigint' ? 'number' : 'string';
}
