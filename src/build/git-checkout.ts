/** A commit of a repository as a directory of files: as little history as the server lets us have. */
import { existsSync, lutimesSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { git, tryGit, type GitCall } from './git.ts';
import type { ResolvedReference } from './git-source.ts';

interface Checkout extends ResolvedReference {
  readonly url: string;
  /** `.git` stays, of submodules, too. */
  readonly keepGitDir: boolean;
}

/**
 * Checks the commit out into the empty `call.cwd`, submodules included. All files get the time of the commit, so that
 * the same commit is the same layer. Throws NETWORK, TOOL_MISSING.
 */
export async function checkOut(call: GitCall, { url, commit, name, keepGitDir }: Checkout): Promise<void> {
  await git(call, ['init', '--quiet', '--template=']);
  await git(call, ['remote', 'add', 'origin', url]);
  await tryGit(call, ['fetch', '--quiet', '--depth=1', '--no-tags', 'origin', name]);
  // The branch may have moved on since it was asked for, and not every server gives a commit or a part of its history.
  if ((await tryGit(call, ['cat-file', '-e', `${commit}^{commit}`])).status !== 0)
    await git(call, ['fetch', '--quiet', ...(await unshallow(call)), 'origin', ...EVERYTHING]);
  await git(call, ['checkout', '--quiet', '--detach', commit]);
  if (existsSync(join(call.cwd, '.gitmodules'))) await addSubmodules(call);
  const seconds = Number(await git(call, ['show', '--no-patch', '--format=%ct', commit]));
  if (!keepGitDir) removeGitDirectories(Buffer.from(call.cwd));
  setTimes(Buffer.from(call.cwd), seconds);
}

const EVERYTHING = ['+refs/heads/*:refs/remotes/origin/*', '+refs/tags/*:refs/tags/*'];

async function unshallow(call: GitCall): Promise<string[]> {
  const { stdout } = await tryGit(call, ['rev-parse', '--is-shallow-repository']);
  return stdout.trim() === 'true' ? ['--unshallow'] : [];
}

/** Whatever protocol the repository itself came by: one that it names as submodule comes from the network. */
async function addSubmodules(repository: GitCall): Promise<void> {
  const call = { ...repository, isLocal: false };
  const update = ['submodule', '--quiet', 'update', '--init', '--recursive'];
  const { status } = await tryGit(call, [...update, '--depth=1']);
  if (status !== 0) await git(call, update);
}

function removeGitDirectories(directory: Buffer): void {
  for (const entry of readdirSync(directory, { withFileTypes: true, encoding: 'buffer' })) {
    const path = Buffer.concat([directory, Buffer.from('/'), entry.name]);
    if (entry.name.toString('latin1') === '.git') rmSync(path, { recursive: true, force: true });
    else if (entry.isDirectory()) removeGitDirectories(path);
  }
}

function setTimes(directory: Buffer, seconds: number): void {
  for (const entry of readdirSync(directory, { withFileTypes: true, encoding: 'buffer' })) {
    const path = Buffer.concat([directory, Buffer.from('/'), entry.name]);
    if (entry.isDirectory()) setTimes(path, seconds);
    else lutimesSync(path, seconds, seconds);
  }
  lutimesSync(directory, seconds, seconds);
}
