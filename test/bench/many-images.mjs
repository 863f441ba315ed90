/**
 * How long the store's commands take with 10,000 tags of as many two-platform images:
 *
 *   node test/bench/many-images.mjs [COUNT]
 *
 * Recorded under `time` on two shared cores, processor time of the whole process (`--version` alone takes 0.10 s):
 *   images 0.53 s (2.4 s without remembered facts) · tag 0.24 s · inspect 0.21 s · history 0.22 s · rmi 0.64 s
 *
 * Later, with a dozen programs waiting for the same cores, the least of eight: images 0.54 s, 0.69 s before the check of
 * its JSON went by characters and names of blobs were kept as they are read. With the program in packs with compiled code
 * (test/bench/start.mjs), processor time of images 0.44 s where it was 0.48 s.
 */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const PROGRAM = join(import.meta.dirname, '../../dist/main.js');
const count = Number(process.argv[2] ?? 10_000);
const root = mkdtempSync(join(tmpdir(), 'many-images-'));

const OCI = 'application/vnd.oci.image';
const LAYERS = 5;

function put(value, mediaType) {
  const bytes = Buffer.from(typeof value === 'string' ? value : JSON.stringify(value));
  const hex = createHash('sha256').update(bytes).digest('hex');
  writeFileSync(join(root, 'blobs/sha256', hex), bytes);
  return { mediaType, digest: `sha256:${hex}`, size: bytes.length };
}

function image(number, layer) {
  const manifests = ['amd64', 'arm64'].map((architecture) => {
    const config = put(
      {
        created: '2024-01-01T00:00:00Z',
        architecture,
        os: 'linux',
        config: { Env: ['PATH=/bin'], Labels: { number: String(number) } },
        rootfs: { type: 'layers', diff_ids: Array(LAYERS).fill(layer.digest) },
        history: Array.from({ length: LAYERS }, (_, step) => ({ created_by: `RUN step ${String(step)}` })),
      },
      `${OCI}.config.v1+json`,
    );
    const type = `${OCI}.manifest.v1+json`;
    const manifest = { schemaVersion: 2, mediaType: type, config, layers: Array(LAYERS).fill(layer) };
    return { ...put(manifest, type), platform: { architecture, os: 'linux' } };
  });
  return put({ schemaVersion: 2, mediaType: `${OCI}.index.v1+json`, manifests }, `${OCI}.index.v1+json`);
}

function makeStore() {
  mkdirSync(join(root, 'blobs/sha256'), { recursive: true });
  writeFileSync(join(root, 'oci-layout'), '{"imageLayoutVersion":"1.0.0"}\n');
  const layer = put('layer', `${OCI}.layer.v1.tar`);
  const manifests = Array.from({ length: count }, (_, number) => ({
    ...image(number, layer),
    annotations: { 'org.opencontainers.image.ref.name': `docker.io/library/app${String(number)}:v1` },
  }));
  const index = { schemaVersion: 2, mediaType: `${OCI}.index.v1+json`, manifests };
  writeFileSync(join(root, 'index.json'), JSON.stringify(index));
}

function time(title, args) {
  const started = performance.now();
  const { status, stderr } = spawnSync(process.execPath, [PROGRAM, '--root', root, ...args], {
    maxBuffer: 1 << 28,
  });
  if (status !== 0) throw new Error(`${args.join(' ')}: ${String(stderr)}`);
  const wall = (performance.now() - started) / 1000;
  console.log(`${title.padEnd(34)} ${wall.toFixed(2)} s`);
}

try {
  makeStore();
  time('--version', ['--version']);
  time('images, nothing remembered', ['images']);
  time('images', ['images']);
  time('images --json', ['images', '--json']);
  time('tag', ['tag', 'app1:v1', 'other:v1']);
  time('inspect', ['inspect', 'app7:v1']);
  time('history', ['history', '--platform', 'linux/amd64', 'app7:v1']);
  time('rmi of a name', ['rmi', 'other:v1']);
  time('rmi of an image', ['rmi', 'app9:v1']);
} finally {
  rmSync(root, { recursive: true, force: true });
}
