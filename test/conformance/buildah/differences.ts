/**
 * Where an image of ours is another one than BuildKit's, and why. The test asks for exactly these differences, so one
 * that has gone is found as well as a new one.
 */
import { FAILED } from './oracle.ts';

interface Difference {
  readonly reason: string;
  /** In the oracle's text: theirs, ours. */
  readonly replace?: readonly (readonly [string, string])[];
  /** In place of the oracle's text. */
  readonly instead?: string;
}

const XATTRS: Difference = {
  reason:
    'attributes of context files do not reach a layer, in docker neither: only the export of its snapshot has them',
  replace: [[' user.a=test', '']],
};

const cleanWorkdir = (theirs: string): Difference => ({
  reason: 'a trailing slash of WORKDIR is cleaned away',
  replace: [[`WorkingDir "${theirs}/"`, `WorkingDir "${theirs}"`]],
});

const LAST = '+ /subdir/file-c.txt symlink 0:0 -> ../file-b.txt\n';
const SUBDIR_F = [
  ' dir 0775 0:0',
  '/file-a.txt symlink 0:0 -> ../../file-a.txt',
  '/file-n.txt symlink 0:0 -> ../file-n.txt',
  '/file-o.txt file 0664 0:0 7 fbdf95c344261c45',
  '/subdir-g dir 0775 0:0',
  '/subdir-g/subdir-b symlink 0:0 -> ../../../subdir-b',
];

export const DIFFERENCES: Readonly<Record<string, Difference>> = {
  'ci-pipeline-modified': cleanWorkdir('/go/src/github.com/openshift/ocp-release-operator-sdk'),
  'workdir-with-trailing-separator': cleanWorkdir('/tmp'),
  'xattrs-file-in-context': XATTRS,
  'xattrs-file-in-other-stage': XATTRS,
  'copy-escape-glob': {
    reason:
      'n\\?pe is n?pe once the backslash is read, which fits two files, and the destination of several must be a directory; BuildKit lets the last one win',
    instead: FAILED,
  },
  'dockerignore-exclude-kind-of-deep-subdir-star': {
    reason:
      'subdir-e is in the context for the sake of subdir-f, as in the case with a dot instead of the star; BuildKit agrees but fails on a link there, buildah leaves it out',
    replace: [[LAST, LAST + SUBDIR_F.map((line) => `+ /subdir/subdir-f${line}\n`).join('')]],
  },
  'add-parent-symlink': {
    reason:
      'an archive whose own symbolic link leads out of the destination is refused; BuildKit takes the destination for the root',
    instead: FAILED,
  },
};

const OTHER_KIND =
  'a directory of the image does not give way to a link of the context, nor a link to a directory';

/** Cases that BuildKit and we refuse though buildah builds them. */
export const REFUSED: Readonly<Record<string, string>> = {
  'replace-symlink-with-directory': OTHER_KIND,
  'replace-directory-with-symlink': OTHER_KIND,
  'replace-symlink-with-directory-subdir': OTHER_KIND,
  'replace-directory-with-symlink-subdir': OTHER_KIND,
};

/** Cases that prove nothing here. */
export const NOT_COMPARED: Readonly<Record<string, string>> = {
  add: 'needs the Internet',
  mount: 'the volumes that buildah mounts into a build',
  'transient-mount': 'the volumes that buildah mounts into a build',
};
