#!/usr/bin/env node
/**
 * programs.mjs NAME ARGUMENT...: programs of buildah's tests that are written in Go: `go` itself, which is asked for the
 * architecture and told to compile `serve`; `serve`, a file server; `inet`, which starts a program per connection.
 */
import { spawn } from 'node:child_process';
import { createReadStream, existsSync, readFileSync, renameSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { createServer as createSecureServer } from 'node:https';
import { createServer as createSocketServer } from 'node:net';
import { join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';

const PROGRAMS = { go, serve, inet };
const [, , name, ...args] = process.argv;
PROGRAMS[name](...args);

function go(command, ...rest) {
  const answers = { GOARCH: 'amd64', GOOS: 'linux' };
  if (command === 'env') console.log(answers[rest[0]] ?? '');
  else if (command === 'build' && rest[0] === '-o') writeProgram(rest[1], 'serve');
  else throw new Error(`go ${command}: not here`);
}

function writeProgram(path, called) {
  writeFileSync(path, `#!/bin/sh\nexec node ${fileURLToPath(import.meta.url)} ${called} "$@"\n`, {
    mode: 0o755,
  });
}

/** serve DIRECTORY [PORT [PORTFILE [CERTIFICATE KEY [PIDFILE]]]] */
function serve(directory, port = '0', portFile, certificate, key, pidFile) {
  const answer = ({ url }, response) => {
    const path = join(directory, normalize(`/${new URL(url, 'http://host').pathname}`));
    if (!existsSync(path) || !statSync(path).isFile()) return void response.writeHead(404).end();
    response.writeHead(200, { 'content-length': statSync(path).size });
    createReadStream(path).pipe(response);
  };
  const server = certificate
    ? createSecureServer({ cert: readFileSync(certificate), key: readFileSync(key) }, answer)
    : createServer(answer);
  if (pidFile) writeFileSync(pidFile, String(process.pid));
  server.listen(Number(port), () => {
    if (!portFile) return;
    writeFileSync(`${portFile}.new`, String(server.address().port));
    renameSync(`${portFile}.new`, portFile);
  });
}

/** inet -port-file FILE -pid-file=FILE -- PROGRAM ARGUMENT... */
function inet(...words) {
  const end = words.indexOf('--');
  const options = words
    .slice(0, end)
    .join('=')
    .matchAll(/-(port|pid)-file=([^=]*)/g);
  const files = Object.fromEntries([...options].map(([, name, path]) => [name, path]));
  const [command, ...rest] = words.slice(end + 1);
  // the other end closes its half first: ours stays open for the answer
  const server = createSocketServer({ allowHalfOpen: true }, (socket) => {
    const child = spawn(command, rest, { stdio: ['pipe', 'pipe', 'inherit'] });
    socket.pipe(child.stdin).on('error', () => {});
    child.stdout.pipe(socket).on('error', () => {});
  });
  server.listen(0, () => {
    writeFileSync(files.port, String(server.address().port));
    writeFileSync(files.pid, String(process.pid));
  });
}
