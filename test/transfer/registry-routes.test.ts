import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { parseReference } from '../../src/oci/reference.ts';
import { openStore } from '../../src/store/store.ts';
import { pullImage } from '../../src/transfer/pull.ts';
import { routesOf, type Purpose } from '../../src/transfer/registry-routes.ts';
import { FakeRegistry } from './fake-registry.ts';
import { addImage } from './memory-content.ts';

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'routes-'));
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

function write(name: string, text: string): string {
  const path = join(directory, name);
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text);
  return path;
}

/** `host/path`, `!` when it need not be trusted, `~` for a mirror. */
async function routes(name: string, conf: string, purpose: Purpose = 'pull'): Promise<string[]> {
  const environment = { CONTAINERS_REGISTRIES_CONF: write('registries.conf', conf) };
  const options = { environment, containerdDirectory: join(directory, 'certs.d') };
  const found = await routesOf(parseReference(name), purpose, options);
  return found.map(
    ({ domain, path, insecure, isMirror }) =>
      `${isMirror ? '~' : ''}${domain}/${path}${insecure ? ' !' : ''}`,
  );
}

const DIGEST = `sha256:${'a'.repeat(64)}`;
const MIRRORED = `
[[registry]]
location = "docker.io"
[[registry.mirror]]
location = "mirror.test:5000/hub"
insecure = true
[[registry.mirror]]
location = "second.test"
pull-from-mirror = "digest-only"
`;
const RULES = `
[[registry]]
prefix = "registry.test/team"
location = "other.test/group"
[[registry]]
prefix = "registry.test"
insecure = true
location = "registry.test"
[[registry]]
prefix = "*.internal.test"
insecure = true
[[registry]]
location = "bad.test/evil"
blocked = true
`;

describe('registries.conf', () => {
  it.each<[string, string, string[]]>([
    ['app', '', ['docker.io/library/app']],
    ['app', MIRRORED, ['~mirror.test:5000/hub/library/app !', 'docker.io/library/app']],
    [
      `app@${DIGEST}`,
      MIRRORED,
      ['~mirror.test:5000/hub/library/app !', '~second.test/library/app', 'docker.io/library/app'],
    ],
    ['registry.test/app', RULES, ['registry.test/app !']],
    ['registry.test/team/app', RULES, ['other.test/group/app']],
    ['registry.test/teamwork/app', RULES, ['registry.test/teamwork/app !']],
    ['registry.test.evil/app', RULES, ['registry.test.evil/app']],
    ['a.internal.test:5000/app', RULES, ['a.internal.test:5000/app']],
    ['a.b.internal.test/app', RULES, ['a.b.internal.test/app !']],
    ['internal.test/app', RULES, ['internal.test/app']],
    ['bad.test/good', RULES, ['bad.test/good']],
  ])('sends %s, given %j, to %j', async (name, conf, expected) => {
    expect(await routes(name, conf)).toEqual(expected);
  });

  it('has no mirrors for a push', async () => {
    expect(await routes('app', MIRRORED, 'push')).toEqual(['docker.io/library/app']);
  });

  it.each(['bad.test/evil', 'bad.test/evil/more'])('blocks %s', async (name) => {
    await expect(routes(name, RULES)).rejects.toMatchObject({ message: `${name} is blocked` });
  });

  it.each([
    ['[[registry', /line 1/],
    ['[registries.search]\nregistries = ["a"]', /version 1/],
    ['[[registry]]\ninsecure = true', /neither prefix nor location/],
    ['[[registry]]\nprefix = "a.test"', /no location/],
    ['[[registry]]\nlocation = "https://a.test"', /scheme/],
    ['[[registry]]\nlocation = 5', /not a text/],
    ['[[registry]]\nlocation = "a.test"\n[[registry.mirror]]\ninsecure = true', /no location/],
    [
      '[[registry]]\nlocation = "a.test"\n[[registry.mirror]]\nlocation = "b"\npull-from-mirror = "x"',
      /pull-from-mirror/,
    ],
  ])('that says %j is refused, with the file and the reason', async (conf, reason) => {
    await expect(routes('a.test/x', conf)).rejects.toMatchObject({
      code: 'REGISTRY',
      message: expect.stringMatching(reason) as string,
    });
  });

  it('of the user is read instead of the system’s, with its parts, the later over the earlier', async () => {
    const table = (host: string): string => `[[registry]]\nprefix = "a.test"\nlocation = "${host}"\n`;
    write('.config/containers/registries.conf', table('main.test'));
    const options = { environment: { HOME: directory } };
    const found = async (): Promise<string> =>
      (await routesOf(parseReference('a.test/x'), 'pull', options))[0].domain;
    expect(await found()).toBe('main.test');
    write('.config/containers/registries.conf.d/20.conf', table('twenty.test'));
    write('.config/containers/registries.conf.d/10.conf', table('ten.test'));
    write('.config/containers/registries.conf.d/30.txt', table('no.test'));
    expect(await found()).toBe('twenty.test');
  });
});

describe('hosts.toml', () => {
  const HOSTS = `
server = "https://registry.test"
[host."http://mirror.test:5000"]
  capabilities = ["pull", "resolve"]
[host."https://cache.test/v2/hub"]
  override_path = true
  ca = "ca.pem"
`;

  it.each(['registry.test:5000', 'registry.test_5000_', '_default'])('in %s names mirrors', async (name) => {
    write(`certs.d/${name}/hosts.toml`, HOSTS);
    write(`certs.d/${name}/ca.pem`, 'PEM');
    expect(await routes('registry.test:5000/app', '')).toEqual([
      '~mirror.test:5000/app !',
      '~cache.test/hub/app',
      'registry.test/app',
    ]);
    expect(await routes('registry.test:5000/app', '', 'push')).toEqual(['registry.test/app']);
  });

  it('brings certificates', async () => {
    write(
      'certs.d/a.test/hosts.toml',
      '[host."https://m.test"]\nca = ["ca.pem"]\nclient = [["c.pem", "k.pem"]]\n',
    );
    for (const name of ['ca', 'c', 'k']) write(`certs.d/a.test/${name}.pem`, name);
    const options = { environment: {}, containerdDirectory: join(directory, 'certs.d') };
    const [{ identity }] = await routesOf(parseReference('a.test/x'), 'pull', options);
    expect(identity).toEqual({ ca: ['ca'], cert: 'c', key: 'k' });
  });

  it('comes after a rule of registries.conf', async () => {
    write('certs.d/registry.test/hosts.toml', HOSTS);
    expect(await routes('registry.test/app', RULES)).toEqual(['registry.test/app !']);
  });

  it.each(['[host."ftp://x"]', '[host."https://x/path"]', '[host."https://x"]\nca = "nope.pem"'])(
    'that says %j is refused',
    async (text) => {
      write('certs.d/a.test/hosts.toml', text);
      await expect(routes('a.test/x', '')).rejects.toMatchObject({ code: 'REGISTRY' });
    },
  );
});

describe('a pull through mirrors', () => {
  const conf = (mirrors: readonly string[], location: string): string =>
    [`[[registry]]\nprefix = "images.test"\nlocation = "${location}"\n`]
      .concat(mirrors.map((mirror) => `[[registry.mirror]]\nlocation = "${mirror}"\n`))
      .join('');

  async function pull(text: string): Promise<{ digest: string; said: string[] }> {
    const environment = { CONTAINERS_REGISTRIES_CONF: write('registries.conf', text) };
    const said: string[] = [];
    const report = (event: { type: string; text?: string }): void => {
      if (event.type === 'info') said.push(event.text ?? '');
    };
    await using store = await openStore(join(directory, 'store'));
    const options = { environment, backoffMs: 1, stallMs: 2000, certificateDirectories: [] };
    const { digest } = await pullImage({ store, report }, 'images.test/app:v1', options);
    expect(store.images.get('images.test/app:v1').root.digest).toBe(digest);
    return { digest, said };
  }

  it('takes all from the mirror that has it', async () => {
    await using mirror = await FakeRegistry.start();
    await using main = await FakeRegistry.start();
    const root = addImage(mirror.content, 'linux/arm64');
    mirror.tags.set('v1', root);
    expect((await pull(conf([`${mirror.host}/cache`], main.host))).digest).toBe(root.digest);
    expect(main.requests).toEqual([]);
    expect(mirror.asked('/v2/cache/app/blobs/').length).toBeGreaterThan(0);
  });

  it('goes on to the next place where one is down, lacks the image, or lacks a blob', async () => {
    await using empty = await FakeRegistry.start();
    await using half = await FakeRegistry.start();
    await using main = await FakeRegistry.start();
    const root = addImage(main.content, 'linux/arm64');
    for (const registry of [half, main]) registry.tags.set('v1', root);
    half.content.blobs.set(root.digest, main.content.blobs.get(root.digest)!);
    const { digest, said } = await pull(conf(['127.0.0.1:1', empty.host, half.host], main.host));
    expect(digest).toBe(root.digest);
    expect(said.join('\n')).toMatch(/127\.0\.0\.1:1\/app: .*refuses[^]*no image[^]*does not have/);
    expect(main.asked('/blobs/').length).toBeGreaterThan(0);
  });

  it('that nobody has is the registry’s own error', async () => {
    await using mirror = await FakeRegistry.start();
    await expect(pull(conf([mirror.host], '127.0.0.1:1'))).rejects.toMatchObject({ code: 'NETWORK' });
  });
});
