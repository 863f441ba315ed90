/**
 * Container images that YAML names:
 *
 *   image: nginx:1                                        every scalar under a key that ends in `image`
 *   image: { registry, repository, tag, digest }          the value groups of charts and operators; `name` may stand
 *                                                         for `repository`
 *   images: [{ name, newName, newTag, digest }]           Kustomize
 *
 * A mapping under `image` with none of these is a schema, not an image. Texts inside of YAML (the templates in a
 * ConfigMap) are looked into as well; there, what is no name of an image is no mistake.
 */
import { isMap, isScalar, isSeq, type Node, type YAMLMap } from 'yaml';
import { pairsOf, readYaml, textOf, YamlError, type YamlDocument, type YamlText } from '../yaml/documents.ts';
import {
  templateProblem,
  yamlProblem,
  type Findings,
  type FindProblem,
  type ImageMention,
} from './image-mention.ts';
import { findByLine } from './line-scan.ts';

export function findInYaml(text: string, file: string): Findings {
  try {
    return scan(readYaml(text), { file, offset: 0, isEmbedded: false });
  } catch (error) {
    if (!(error instanceof YamlError)) throw error;
    if (text.includes('{{')) return findByLine(text, file);
    return { mentions: [], problems: [yamlProblem(error, file)] };
  }
}

interface Scan {
  readonly file: string;
  /** Lines before the text. */
  readonly offset: number;
  readonly isEmbedded: boolean;
}

function scan(yaml: YamlText, place: Scan): Findings {
  const mentions: ImageMention[] = [];
  const problems: FindProblem[] = [];
  const take = (text: string, node: Node): void => {
    if (text === '') return;
    const at = { file: place.file, line: place.offset + yaml.lineOf(node) };
    const problem = templateProblem(text, at);
    if (problem === undefined) mentions.push({ text, place: at });
    else if (!place.isEmbedded) problems.push(problem);
  };
  for (const document of yaml.documents) {
    for (const { key, value } of pairsOf(document)) {
      for (const { text, node } of imagesOf(document, key, value)) take(text, node);
      if (place.isEmbedded || !isScalar(value)) continue;
      mentions.push(...embedded(textOf(value), { ...place, offset: yaml.lineOf(value), isEmbedded: true }));
    }
  }
  return { mentions, problems };
}

interface Named {
  readonly text: string;
  readonly node: Node;
}

function imagesOf(document: YamlDocument, key: string, value: Node): Named[] {
  const node = document.resolve(value);
  if (key.endsWith('image')) {
    if (isScalar(node)) return [{ text: textOf(node).trim(), node: value }];
    if (isMap(node)) return group(document, node, value);
  }
  if (key === 'images' && isSeq(node))
    return node.items.flatMap((item) => {
      const entry = document.resolve(item as Node);
      return isMap(entry) ? kustomized(document, entry) : [];
    });
  return [];
}

function group(document: YamlDocument, map: YAMLMap, node: Node): Named[] {
  if (isMap(map.items[0]?.key)) return [{ text: '{{ … }}', node }]; // a template that happens to be YAML
  const field = (name: string): string => scalarAt(document, map, name);
  const repository = field('repository') || field('name');
  const [registry, tag, digest] = [field('registry'), field('tag'), field('digest')];
  if (repository === '' || map.has('type') || map.has('properties')) return [];
  const name = registry === '' ? repository : `${registry}/${repository}`;
  return [{ text: withSuffix(name, tag, digest), node }];
}

function kustomized(document: YamlDocument, map: YAMLMap): Named[] {
  const field = (name: string): string => scalarAt(document, map, name);
  const name = field('newName') || field('name');
  const [tag, digest] = [field('newTag'), field('digest')];
  if (name === '' || (tag === '' && digest === '')) return []; // the tag is where the image is used
  return [{ text: withSuffix(name, tag, digest), node: map }];
}

const withSuffix = (name: string, tag: string, digest: string): string =>
  `${name}${tag === '' ? '' : `:${tag}`}${digest === '' ? '' : `@${digest}`}`;

function scalarAt(document: YamlDocument, map: YAMLMap, key: string): string {
  const value = map.get(key, true) as Node | undefined;
  const node = value === undefined ? undefined : document.resolve(value);
  return isScalar(node) ? textOf(node).trim() : '';
}

/** Of a text of several lines that looks as if it had an image in it. */
function embedded(text: string, place: Scan): readonly ImageMention[] {
  if (!text.includes('\n') || !/^[ \t-]*"?image"?:\s*\S/m.test(text)) return [];
  try {
    return scan(readYaml(text), place).mentions.filter((mention) => REFERENCE.test(mention.text));
  } catch (error) {
    if (error instanceof YamlError) return [];
    throw error;
  }
}

/** Lower case with a tag or a digest: prose has neither. */
const REFERENCE = /^[a-z0-9][a-z0-9._/:-]*(?::[\w][\w.-]*|@sha256:[0-9a-f]{64})$/;
