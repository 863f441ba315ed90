/**
 * `imageListWithAuth.yaml`: images with the user and password their registry wants for them.
 *
 *   - registry: r.example.com        for names without a registry of their own
 *     username: u
 *     password: p
 *     images: [ns/a:1, r.example.com/ns/b:2]
 */
import { isMap, isScalar, isSeq, type Node, type YAMLMap } from 'yaml';
import type { Credentials } from '../../transfer/auth-config.ts';
import { readYaml, textOf, YamlError, type YamlText } from '../yaml/documents.ts';
import { yamlProblem, type FindProblem, type ImageMention } from './image-mention.ts';

export interface PrivateImages {
  readonly credentials: Credentials;
  readonly mentions: readonly ImageMention[];
}

export function readAuthList(
  text: string,
  file: string,
): { readonly sections: readonly PrivateImages[]; readonly problems: readonly FindProblem[] } {
  const problems: FindProblem[] = [];
  try {
    const yaml = readYaml(text);
    const sections = yaml.documents.flatMap(({ root }) => {
      if (root === undefined || (isScalar(root) && root.value === null)) return [];
      if (isSeq(root))
        return root.items.flatMap((item) => readSection(item as Node, { yaml, file, problems }));
      problems.push({ place: { file, line: yaml.lineOf(root) }, message: 'write a list of sections' });
      return [];
    });
    return { sections, problems };
  } catch (error) {
    if (!(error instanceof YamlError)) throw error;
    return { sections: [], problems: [yamlProblem(error, file)] };
  }
}

interface Reading {
  readonly yaml: YamlText;
  readonly file: string;
  readonly problems: FindProblem[];
}

/** What a message says of a section never has its password. */
function readSection(node: Node, { yaml, file, problems }: Reading): PrivateImages[] {
  const place = { file, line: yaml.lineOf(node) };
  if (!isMap(node)) {
    problems.push({ place, message: 'a section has registry, username, password and images' });
    return [];
  }
  const [registry, username, password] = ['registry', 'username', 'password'].map((key) => scalar(node, key));
  const images = node.get('images', true);
  if (!username || !password || !isSeq(images)) {
    problems.push({ place, message: 'a section needs username, password and a list of images' });
    return [];
  }
  const mentions = images.items.filter(isScalar).map((item) => ({
    text: withRegistry(textOf(item).trim(), registry ?? ''),
    place: { file, line: yaml.lineOf(item) },
  }));
  return [{ credentials: { type: 'password', username, password }, mentions }];
}

function scalar(map: YAMLMap, key: string): string {
  const value = map.get(key, true);
  return isScalar(value) ? textOf(value) : '';
}

function withRegistry(name: string, registry: string): string {
  const first = name.split('/', 1)[0] ?? '';
  const hasRegistry = name.includes('/') && (/[.:]/.test(first) || first === 'localhost');
  return hasRegistry || registry === ''
    ? name
    : `${registry.replace(/^https?:\/\//, '').replace(/\/$/, '')}/${name}`;
}
