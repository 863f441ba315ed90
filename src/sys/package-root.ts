/** Where the program is installed: the folder with its package.json, dist/ and emulators/. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Seen from the bundle (dist/), and from a room of src/. */
const CANDIDATES = ['..', '../..'];

export function packageRoot(): string {
  const folders = CANDIDATES.map((path) => fileURLToPath(new URL(path, import.meta.url)).replace(/\/$/, ''));
  return folders.find((folder) => existsSync(join(folder, 'package.json'))) ?? folders[0] ?? '';
}
