/** `.Files` of a chart. */
import { compileIgnore } from '../../kubefile/ignore.ts';
import { text } from './functions/arguments.ts';
import { toYaml } from './serialize.ts';
import { GoObject, type Value } from './value.ts';

export function chartFiles(files: ReadonlyMap<string, Buffer>): GoObject {
  const content = (path: string): Buffer => files.get(path) ?? Buffer.alloc(0);
  const named = (encode: (bytes: Buffer) => string): string =>
    files.size === 0
      ? ''
      : toYaml(new Map<string, Value>([...files].map(([path, bytes]) => [baseName(path), encode(bytes)])));
  return new GoObject('engine.files', {
    entries: new Map([...files].map(([path, bytes]) => [path, bytes.toString('utf8')])),
    methods: {
      Get: (path) => content(text(path)).toString('utf8'),
      GetBytes: (path) => content(text(path)).toString('utf8'),
      Lines: (path) => linesOf(content(text(path)).toString('utf8')),
      Glob: (pattern) => {
        const matcher = compileIgnore([text(pattern)]);
        return chartFiles(new Map([...files].filter(([path]) => matcher.excludes(path))));
      },
      AsConfig: () => named((bytes) => bytes.toString('utf8')),
      AsSecrets: () => named((bytes) => bytes.toString('base64')),
    },
  });
}

const baseName = (path: string): string => path.slice(path.lastIndexOf('/') + 1);

const linesOf = (content: string): string[] => (content === '' ? [] : content.replace(/\n$/, '').split('\n'));
