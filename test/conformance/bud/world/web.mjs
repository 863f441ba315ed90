/** The web of the tests, on loopback: the files and repositories of GitHub they fetch, and a registry for all names. */
import { spawn, spawnSync } from 'node:child_process';
import { createReadStream, existsSync, mkdirSync, openSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:https';
import { createServer as createPlainServer } from 'node:http';
import { join } from 'node:path';

/** Registries of the images, served as one. */
export const REGISTRIES = ['registry-1.docker.io', 'quay.io', 'registry.fedoraproject.org'];
/** Sites with files and repositories. */
export const SITES = ['github.com', 'raw.githubusercontent.com', 'google.com', 'www.redhat.com'];

/** An authority of our own, and a certificate for every name. */
export function makeCertificates(directory, addresses) {
  mkdirSync(directory, { recursive: true });
  const path = (name) => join(directory, name);
  const names = [...REGISTRIES, ...SITES].map((name) => `DNS:${name}`);
  writeFileSync(
    path('extensions'),
    `subjectAltName=${[...names, ...addresses.map((address) => `IP:${address}`)].join(',')}\n`,
  );
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
  openssl([
    'req',
    '-x509',
    ...key,
    '-days',
    '2',
    '-subj',
    '/CN=tests',
    '-keyout',
    path('ca.key'),
    '-out',
    path('ca.crt'),
  ]);
  openssl(['req', ...key, '-subj', '/CN=web', '-keyout', path('web.key'), '-out', path('web.csr')]);
  const authority = ['-CA', path('ca.crt'), '-CAkey', path('ca.key'), '-CAcreateserial'];
  openssl([
    'x509',
    '-req',
    '-in',
    path('web.csr'),
    ...authority,
    '-days',
    '2',
    '-extfile',
    path('extensions'),
    '-out',
    path('web.crt'),
  ]);
  return { authority: path('ca.crt'), certificate: path('web.crt'), key: path('web.key') };
}

function openssl(args) {
  const { status, stderr } = spawnSync('openssl', args, { encoding: 'utf8' });
  if (status !== 0) throw new Error(`openssl ${args[0]}: ${stderr}`);
}

/** Debian's docker-registry on port 443 of an address. Resolves to the process once it answers. */
export async function startRegistry(directory, address, { certificate, key }) {
  mkdirSync(directory, { recursive: true });
  const config = join(directory, 'config.yml');
  writeFileSync(
    config,
    JSON.stringify({
      version: 0.1,
      log: { level: 'error', accesslog: { disabled: true } },
      storage: { filesystem: { rootdirectory: join(directory, 'data') }, delete: { enabled: true } },
      http: { addr: `${address}:443`, tls: { certificate, key } },
    }),
  );
  const log = openSync(join(directory, 'log'), 'w'); // it calls what it does not have yet an error
  const child = spawn('docker-registry', ['serve', config], { stdio: ['ignore', 'ignore', log] });
  await listening(address);
  return child;
}

async function listening(address) {
  const { connect } = await import('node:net');
  for (let attempt = 0; attempt < 200; attempt++) {
    const answered = await new Promise((resolve) => {
      const socket = connect(443, address, () => resolve(true)).on('error', () => resolve(false));
      socket.on('connect', () => socket.destroy());
    });
    if (answered) return;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error(`nothing listens on ${address}`);
}

/** Serves `files` (URL to path) and repositories below `repositories`; everything else is not found. */
export async function startSites(address, { certificate, key, files, repositories }) {
  const { readFileSync } = await import('node:fs');
  const answer = (request, response) => {
    const { pathname, search } = new URL(request.url, 'https://host');
    const url = `https://${request.headers.host}${pathname}`;
    if (/\/(?:info\/refs|git-upload-pack)$/.test(pathname))
      return serveRepository(request, response, { repositories, pathname, search });
    const path = files(url);
    if (path === undefined || !existsSync(path) || !statSync(path).isFile())
      return void response.writeHead(404).end('not found\n');
    response.writeHead(200, { 'content-length': statSync(path).size });
    createReadStream(path).pipe(response);
  };
  const secure = createServer({ cert: readFileSync(certificate), key: readFileSync(key) }, answer);
  const plain = createPlainServer((_request, response) => response.end('hello\n'));
  await new Promise((resolve) => secure.listen(443, address, resolve));
  await new Promise((resolve) => plain.listen(80, address, resolve));
  return [secure, plain];
}

/** Git's own program answers: `OWNER/NAME` with and without `.git`. */
function serveRepository(request, response, { repositories, pathname, search }) {
  const [, name, service] = /^(\/.*?)(?:\.git)?(\/(?:info\/refs|git-upload-pack))$/.exec(pathname);
  if (!existsSync(join(repositories, name))) return void response.writeHead(404).end();
  const child = spawn('git', ['http-backend'], {
    env: {
      PATH: process.env.PATH,
      GIT_PROJECT_ROOT: repositories,
      GIT_HTTP_EXPORT_ALL: '1',
      GIT_CONFIG_COUNT: '1',
      GIT_CONFIG_KEY_0: 'safe.directory',
      GIT_CONFIG_VALUE_0: '*',
      PATH_INFO: `${name}${service}`,
      REQUEST_METHOD: request.method,
      QUERY_STRING: search.slice(1),
      CONTENT_TYPE: request.headers['content-type'] ?? '',
      HTTP_CONTENT_ENCODING: request.headers['content-encoding'] ?? '',
      GIT_PROTOCOL: request.headers['git-protocol'] ?? '',
    },
  });
  request.pipe(child.stdin);
  const parts = [];
  child.stdout.on('data', (part) => parts.push(part));
  child.on('close', () => {
    const whole = Buffer.concat(parts);
    const end = whole.indexOf('\r\n\r\n');
    const headers = whole.subarray(0, end).toString().split('\r\n');
    const status = headers.find((line) => line.startsWith('Status: '))?.slice(8, 11) ?? '200';
    const named = headers.filter((line) => !line.startsWith('Status: ')).map((line) => line.split(': '));
    response.writeHead(Number(status), Object.fromEntries(named)).end(whole.subarray(end + 4));
  });
}
