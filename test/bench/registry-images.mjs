// For the benches and campaigns: images of random content as OCI layouts, and Debian's docker-registry over a directory.
import { spawn, spawnSync } from 'node:child_process';
import { createHash, randomFillSync } from 'node:crypto';
import {
  closeSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  statSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { connect, createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { createGzip } from 'node:zlib';
import { createReadStream, createWriteStream } from 'node:fs';
import { pipeline } from 'node:stream/promises';

export function run(command, args, options = {}) {
  const result = spawnSync(command, args, { encoding: 'utf8', maxBuffer: 1 << 28, ...options });
  if (result.status !== 0)
    throw new Error(`${command} ${args.join(' ')}: ${result.status ?? result.error}\n${result.stderr}`);
  return result.stdout;
}

/**
 * An image with a layer per entry of `layers`: files by path, as a number of bytes or `{ from: PATH }`. `gzip` compresses them; half of the
 * bytes of a file are random, as in a real image, else all.
 */
export async function writeImage(layout, { tag, layers, gzip = false }) {
  const blobs = join(layout, 'blobs/sha256');
  mkdirSync(blobs, { recursive: true });
  const described = [];
  for (const files of layers) described.push(await writeLayer(blobs, files, gzip));
  const put = (mediaType, value) => {
    const bytes = Buffer.from(JSON.stringify(value));
    const digest = createHash('sha256').update(bytes).digest('hex');
    writeFileSync(join(blobs, digest), bytes);
    return { mediaType, digest: `sha256:${digest}`, size: bytes.length };
  };
  const config = put('application/vnd.oci.image.config.v1+json', {
    architecture: 'amd64',
    os: 'linux',
    config: { Cmd: ['/bin/true'] },
    rootfs: { type: 'layers', diff_ids: described.map(({ diffId }) => diffId) },
    history: described.map((_, index) => ({ created_by: `layer ${index}` })),
  });
  const manifest = put('application/vnd.oci.image.manifest.v1+json', {
    schemaVersion: 2,
    mediaType: 'application/vnd.oci.image.manifest.v1+json',
    config,
    layers: described.map(({ diffId: _, ...descriptor }) => descriptor),
  });
  writeFileSync(join(layout, 'oci-layout'), '{"imageLayoutVersion":"1.0.0"}');
  const named = { ...manifest, annotations: { 'org.opencontainers.image.ref.name': tag } };
  writeFileSync(join(layout, 'index.json'), JSON.stringify({ schemaVersion: 2, manifests: [named] }));
  return manifest.digest;
}

async function writeLayer(blobs, files, gzip) {
  const path = join(blobs, 'layer.tmp');
  const hash = createHash('sha256');
  const fd = openSync(path, 'w');
  const put = (bytes) => {
    hash.update(bytes);
    writeSync(fd, bytes);
  };
  for (const [name, content] of Object.entries(files)) {
    const copied = typeof content === 'number' ? undefined : readFileSync(content.from);
    const size = copied?.length ?? content;
    put(tarHeader(name, size));
    if (copied !== undefined) {
      put(copied);
      put(Buffer.alloc(-size & 511));
      continue;
    }
    for (let left = size; left > 0; left -= 1 << 20) {
      const chunk = Buffer.alloc(Math.min(left, 1 << 20), 'the same words again and again ');
      put(randomFillSync(chunk, 0, gzip ? chunk.length >> 1 : chunk.length));
    }
    put(Buffer.alloc(-size & 511));
  }
  put(Buffer.alloc(1024));
  closeSync(fd);
  const diffId = `sha256:${hash.digest('hex')}`;
  const file = gzip ? `${path}.gz` : path;
  if (gzip) await pipeline(createReadStream(path), createGzip({ level: 4 }), createWriteStream(file));
  const stored = createHash('sha256');
  for await (const chunk of createReadStream(file, { highWaterMark: 1 << 20 })) stored.update(chunk);
  const digest = stored.digest('hex');
  const size = statSync(file).size;
  renameSync(file, join(blobs, digest));
  const mediaType = `application/vnd.oci.image.layer.v1.tar${gzip ? '+gzip' : ''}`;
  return { mediaType, digest: `sha256:${digest}`, size, diffId };
}

function tarHeader(name, size) {
  const header = Buffer.alloc(512);
  header.write(name, 0);
  for (const [text, offset] of [
    ['0000755\0', 100],
    ['0000000\0', 108],
    ['0000000\0', 116],
    ['14000000000\0', 136],
  ])
    header.write(text, offset, 'latin1');
  header.write(`${size.toString(8).padStart(11, '0')}\0`, 124, 'latin1');
  header.write('        0', 148, 'latin1');
  header.write('ustar\u000000', 257, 'latin1');
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
  return header;
}

/** On a free port of loopback. The caller kills `child`. */
export async function startRegistry(directory) {
  const port = await freePort();
  const host = `127.0.0.1:${port}`;
  mkdirSync(join(directory, 'data'), { recursive: true });
  const config = {
    version: 0.1,
    log: { level: 'error' },
    storage: { filesystem: { rootdirectory: join(directory, 'data') }, delete: { enabled: true } },
    http: { addr: host, secret: 'bench' },
  };
  writeFileSync(join(directory, 'config.yml'), JSON.stringify(config)); // YAML is a superset
  const child = spawn('docker-registry', ['serve', join(directory, 'config.yml')], { stdio: 'ignore' });
  for (let tries = 0; tries < 400; tries += 1) {
    if (await answers(port)) return { host, child };
    await sleep(50);
  }
  throw new Error('docker-registry does not start');
}

function answers(port) {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
    socket.once('connect', () => socket.destroy());
  });
}

async function freePort() {
  const server = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const { port } = server.address();
  await new Promise((resolve) => server.close(resolve));
  return port;
}
