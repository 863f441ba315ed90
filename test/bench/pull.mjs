// Pulling and unpacking a large image, beside skopeo copy + umoci unpack: `node test/bench/pull.mjs [rounds] [MB]`.
//
// Needs root, docker-registry, skopeo and umoci. The image has 30 compressed layers of 1000 files in all; the registry is on
// loopback, rounds alternate, the table shows medians. `run` is what unpacks with us: its time includes starting a
// program of the image. Nothing here is an assertion.
import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { run, startRegistry, writeImage } from './registry-images.mjs';

const CLI = process.env.ARCH_BUILD_CLI ?? resolve(import.meta.dirname, '../../dist/main.js');
const ROUNDS = Number(process.argv[2] ?? 3);
const MEGABYTES = Number(process.argv[3] ?? 1024);
const LAYERS = 30;
const WORK = mkdtempSync('/var/tmp/arch-build-pull-');
const BUSYBOX = '/bin/busybox';

const { host, child } = await startRegistry(join(WORK, 'registry'));
process.on('exit', () => child.kill('SIGKILL'));
const size = Math.floor((MEGABYTES << 20) / LAYERS / 33);
const layers = Array.from({ length: LAYERS }, (_, layer) =>
  Object.fromEntries(Array.from({ length: 33 }, (_, file) => [`data/${layer}/${file}`, size])),
);
layers[0]['bin/true'] = { from: BUSYBOX };
await writeImage(join(WORK, 'layout'), { tag: '1', layers, gzip: true });
const image = `${host}/large:1`;
run('skopeo', ['copy', '-q', '--dest-tls-verify=false', `oci:${WORK}/layout:1`, `docker://${image}`]);
rmSync(join(WORK, 'layout'), { recursive: true });

const store = join(WORK, 'store');
const SIDES = {
  'arch-build': [
    ['pull', process.execPath, CLI, '--root', store, 'pull', image],
    ['unpack', process.execPath, CLI, '--root', store, 'run', image, '/bin/true'],
  ],
  'skopeo + umoci': [
    ['pull', 'skopeo', 'copy', '-q', '--src-tls-verify=false', `docker://${image}`, `oci:${store}/oci:1`],
    ['unpack', 'umoci', 'unpack', '--image', `${store}/oci:1`, join(store, 'bundle')],
  ],
};

const results = {};
for (let round = 0; round < ROUNDS; round += 1) {
  for (const [side, commands] of Object.entries(SIDES)) {
    rmSync(store, { recursive: true, force: true });
    mkdirSync(store);
    run('sync', []);
    for (const [what, command, ...args] of commands) {
      const { seconds, peak } = await timed(command, args);
      const row = ((results[what] ??= {})[side] ??= { seconds: [], peak: 0 });
      row.seconds.push(seconds);
      row.peak = Math.max(row.peak, peak);
    }
  }
}
child.kill('SIGKILL');
rmSync(WORK, { recursive: true, force: true });
report();

function report() {
  const [ours, theirs] = Object.keys(SIDES);
  const median = (list) => [...list].sort((a, b) => a - b)[list.length >> 1];
  const total = { [ours]: 0, [theirs]: 0 };
  console.log(
    `| ${MEGABYTES} MB, ${LAYERS} layers | ${ours} | ${theirs} | ratio | our peak memory |\n| --- | --- | --- | --- | --- |`,
  );
  let peak = 0;
  for (const [what, sides] of Object.entries(results)) {
    const [a, b] = [ours, theirs].map((side) => median(sides[side].seconds));
    total[ours] += a;
    total[theirs] += b;
    peak = Math.max(peak, sides[ours].peak);
    console.log(
      `| ${what} | ${a.toFixed(2)} s | ${b.toFixed(2)} s | ${(a / b).toFixed(2)} | ${Math.round(sides[ours].peak)} MB |`,
    );
  }
  const ratio = total[ours] / total[theirs];
  console.log(
    `| both | ${total[ours].toFixed(2)} s | ${total[theirs].toFixed(2)} s | ${ratio.toFixed(2)} | ${Math.round(peak)} MB |`,
  );
}

/** Wall time in seconds and the peak of the process's own memory in MB. */
async function timed(command, args) {
  const start = performance.now();
  const running = spawn(command, args, { stdio: ['ignore', 'ignore', 'pipe'] });
  let [errors, peak] = ['', 0];
  running.stderr.on('data', (data) => (errors += data));
  const poll = setInterval(() => {
    try {
      const status = readFileSync(`/proc/${running.pid}/status`, 'utf8');
      peak = Math.max(peak, Number(/VmHWM:\s+(\d+)/.exec(status)?.[1] ?? 0) / 1000);
    } catch {
      // it has just ended
    }
  }, 20);
  const status = await new Promise((end) => running.once('exit', end));
  clearInterval(poll);
  if (status !== 0) throw new Error(`${command} ${args.join(' ')}: ${status}\n${errors}`);
  return { seconds: (performance.now() - start) / 1000, peak };
}
