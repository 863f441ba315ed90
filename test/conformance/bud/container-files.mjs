/**
 * Working containers: a file each, with the image and what was changed since. They are images that are not built yet:
 * a change is a line of a Dockerfile, and whoever looks at one builds it.
 */
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { store } from './program.mjs';

const folder = () => join(store.directory, '../containers');
const pathOf = (name, suffix = '.json') => join(folder(), `${name.replaceAll('/', '_')}${suffix}`);

export function readContainer(name) {
  return existsSync(pathOf(name)) ? JSON.parse(readFileSync(pathOf(name), 'utf8')) : undefined;
}

export function writeContainer(name, container) {
  mkdirSync(folder(), { recursive: true });
  writeFileSync(pathOf(name), JSON.stringify(container));
}

export function containerNames() {
  if (!existsSync(folder())) return [];
  return readdirSync(folder()).flatMap((file) => (file.endsWith('.json') ? [file.slice(0, -5)] : []));
}

export function removeContainer(name) {
  rmSync(pathOf(name));
  rmSync(pathOf(name, '.d'), { recursive: true, force: true });
}

/** A directory of the container's own. */
export function directoryOf(name, part) {
  const path = join(pathOf(name, '.d'), part);
  mkdirSync(path, { recursive: true });
  return path;
}

/** `stem`, or the first of `stem-1`, … that no container has. */
export function freeName(stem) {
  let name = stem;
  for (let count = 1; readContainer(name) !== undefined; count++) name = `${stem}-${count}`;
  return name;
}

/** Keeps what is copied into a container, as the context of its build. */
export function keepForCopy(name, sources, target) {
  const context = directoryOf(name, 'context');
  const part = String(readdirSync(context).length);
  mkdirSync(join(context, part));
  for (const source of sources)
    cpSync(source, join(context, part, source.split('/').pop()), { recursive: true });
  return `COPY ${part}/ ${target}`;
}
