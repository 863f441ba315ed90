/** Where container images are found, and what is refused: lists, YAML of all shapes, hostile YAML. */
import { describe, expect, it } from 'vitest';
import type { ClusterFiles } from '../../src/cluster/find/cluster-files.ts';
import { findImages, type FindOptions } from '../../src/cluster/find/find-images.ts';
import { DEFAULT_RELEASE } from '../../src/cluster/helm/release.ts';
import { formatPlace } from '../../src/cluster/find/image-mention.ts';

const DIGEST = `sha256:${'a'.repeat(64)}`;

function filesOf(texts: Readonly<Record<string, string>>): ClusterFiles {
  const paths = Object.keys(texts).sort();
  return {
    list: (directory) => paths.filter((path) => path.startsWith(`${directory}/`)),
    has: (path) => path in texts,
    read: (path) => Buffer.from(texts[path] ?? ''),
  };
}

const NONE: FindOptions = {
  imageLists: [],
  authLists: [],
  ignoredLists: [],
  listsOnly: false,
  charts: { release: DEFAULT_RELEASE, values: [] },
};

/** `name @ place, place` of each image, then `! place: problem`. */
async function found(
  texts: Readonly<Record<string, string>>,
  options: Partial<FindOptions> = {},
): Promise<string[]> {
  const { images, problems } = await findImages(filesOf(texts), { ...NONE, ...options });
  return [
    ...images.map(({ name, places }) => `${name} @ ${places.map(formatPlace).join(', ')}`),
    ...problems.map(({ place, message }) => `! ${formatPlace(place)}: ${message}`),
  ];
}

const manifest = async (text: string): Promise<string[]> => found({ 'manifests/a.yaml': text });

describe('lists', () => {
  it('have a name a line, comments and quotes aside, and say a name once', async () => {
    const list = `# all of them\r\nnginx\r\n\r\n  'nginx:latest' # again\n"quay.io/a/b:1"\nlocalhost:5000/c@${DIGEST}\n`;
    expect(await found({ 'manifests/imageList': list })).toEqual([
      'docker.io/library/nginx:latest @ manifests/imageList:2, manifests/imageList:4',
      `localhost:5000/c@${DIGEST} @ manifests/imageList:6`,
      'quay.io/a/b:1 @ manifests/imageList:5',
    ]);
  });

  it('name what they cannot mean', async () => {
    expect(await found({ 'manifests/imageList': 'Nginx:1\nok:1\n${X}/y\n' })).toEqual([
      'docker.io/library/ok:1 @ manifests/imageList:2',
      expect.stringContaining('! manifests/imageList:1: not an image reference: "Nginx:1"'),
      expect.stringContaining('! manifests/imageList:3: not an image reference'),
    ]);
  });

  it('of the user count as well, and ignored ones win', async () => {
    const options = {
      imageLists: [{ path: '/lists/more', text: 'more:1\nleft/out:2\n' }],
      ignoredLists: [{ path: '/lists/ignored', text: 'docker.io/left/out:2\nnginx\n' }],
    };
    expect(await found({ 'manifests/imageList': 'nginx:latest\n' }, options)).toEqual([
      'docker.io/library/more:1 @ /lists/more:1',
    ]);
  });

  it('with passwords give each image its own', async () => {
    const text = `- registry: r.example.com
  username: u
  password: p
  images: [ns/a:1, other.example.com/b:2]
- username: u2
  password: p2
  images:
    - r.example.com/ns/c:3
- username: only
  images: [x]
`;
    const { images, problems } = await findImages(filesOf({}), {
      ...NONE,
      authLists: [{ path: 'auth.yaml', text }],
    });
    expect(images.map(({ name, credentials }) => [name, credentials])).toEqual([
      ['other.example.com/b:2', { type: 'password', username: 'u', password: 'p' }],
      ['r.example.com/ns/a:1', { type: 'password', username: 'u', password: 'p' }],
      ['r.example.com/ns/c:3', { type: 'password', username: 'u2', password: 'p2' }],
    ]);
    expect(problems).toEqual([
      {
        place: { file: 'auth.yaml', line: 9 },
        message: 'a section needs username, password and a list of images',
      },
    ]);
  });
});

describe('YAML', () => {
  it('names images in every document, wherever the key stands and however it is written', async () => {
    const text = `kind: Pod
spec:
  containers:
    - image: nginx:1 # the web
    - {name: b, "image": 'quay.io/b:2'}
    - image: >-
        folded/c:3
---
anything: {initimage: d:4, deep: [[{image: e:5}]]}
`;
    expect(await manifest(text)).toEqual([
      'docker.io/folded/c:3 @ manifests/a.yaml:6',
      'docker.io/library/d:4 @ manifests/a.yaml:9',
      'docker.io/library/e:5 @ manifests/a.yaml:9',
      'docker.io/library/nginx:1 @ manifests/a.yaml:4',
      'quay.io/b:2 @ manifests/a.yaml:5',
    ]);
  });

  it('knows the groups of operators and charts, and schemas for what they are', async () => {
    const text = `a: {image: {registry: ghcr.io, repository: x/y, tag: 1.10}}
b: {image: {repository: x/z, tag: "2", digest: "${DIGEST}"}}
c: {image: {name: named, tag: v3, pullPolicy: Always}}
crd: {properties: {image: {type: string, description: the image}}}
empty: {image: ""}
none: {image: }
`;
    expect(await manifest(text)).toEqual([
      'docker.io/library/named:v3 @ manifests/a.yaml:3',
      `docker.io/x/z:2@${DIGEST} @ manifests/a.yaml:2`,
      'ghcr.io/x/y:1.10 @ manifests/a.yaml:1',
    ]);
  });

  it("reads Kustomize's images", async () => {
    const text = `images:
  - {name: nginx, newName: r.example.com/nginx, newTag: "1.5"}
  - {name: redis, digest: "${DIGEST}"}
  - {name: untouched, newName: elsewhere}
`;
    expect(await manifest(text)).toEqual([
      `docker.io/library/redis@${DIGEST} @ manifests/a.yaml:3`,
      'r.example.com/nginx:1.5 @ manifests/a.yaml:2',
    ]);
  });

  it('follows aliases, and looks into texts', async () => {
    const text = `x-image: &i nginx:1
spec: {image: *i}
data:
  injected: |
    spec:
      containers:
      - image: sidecar:2
      - image: {{ .Values.image }}
  prose: |
    say which
    image: you want
`;
    expect(await manifest(text)).toEqual([
      'docker.io/library/nginx:1 @ manifests/a.yaml:1, manifests/a.yaml:2',
      'docker.io/library/sidecar:2 @ manifests/a.yaml:7',
    ]);
    expect(await manifest('image: {{ .Values.image }}\n')).toEqual([
      '! manifests/a.yaml:1: "{{ … }}" is a template, not a name',
    ]);
  });

  it('says what is a template or no YAML at all', async () => {
    expect(await manifest('image: ${REGISTRY}/x\n')).toEqual([
      '! manifests/a.yaml:1: "${REGISTRY}/x" is a template, not a name',
    ]);
    expect(await manifest('a: [1, 2\nimage: x\n')).toEqual([
      expect.stringMatching(/^! manifests\/a\.yaml:\d: no YAML: /),
    ]);
    expect(
      await found({
        'manifests/a.yaml.tmpl': '{{ if .X }}\n- image: nginx:1\n- image: "{{ .R }}/y"\n{{ end }}\n',
      }),
    ).toEqual([
      'docker.io/library/nginx:1 @ manifests/a.yaml.tmpl:2',
      '! manifests/a.yaml.tmpl:3: "{{ .R }}/y" is a template, not a name',
    ]);
  });

  it('refuses bombs and depth at once', async () => {
    const levels = Array.from(
      { length: 30 },
      (_, level) => `l${level + 1}: &l${level + 1} [*l${level}, *l${level}]`,
    );
    expect(await manifest(`l0: &l0 [x]\n${levels.join('\n')}\nimage: nginx\n`)).toEqual([
      '! manifests/a.yaml: no YAML: its aliases expand to too much',
    ]);
    expect(await manifest(`${'['.repeat(200_000)}\n`)).toEqual([
      expect.stringMatching(/^! manifests\/a\.yaml(:\d+)?: no YAML: /),
    ]);
  });
});
