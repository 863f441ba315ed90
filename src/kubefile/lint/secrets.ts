/** Secrets that would stay in the image: in its config, its history, or a layer. */
import { placeOf } from '../source-text.ts';
import { contextSources } from './context-sources.ts';
import type { LintInput, Remark, Rule, StageInstruction } from './rule.ts';

const SECRET_NAME =
  /(?:^|_)(?:apikey|auth|credentials?|key|password|pword|passwd|secret|token|passphrase)(?:_|$)/i;
const PUBLIC_NAME = /(?:^|_)public(?:_|$)/i;

export const secretsUsedInArgOrEnv: Rule = {
  name: 'SecretsUsedInArgOrEnv',
  about: 'ARG and ENV stay in the history and the config: secrets belong into RUN --mount=type=secret',
  when: 'build',
  *find({ kubefile, source }) {
    for (const { instruction, key } of variables(
      kubefile.stages.flatMap(({ instructions }) => instructions),
    )) {
      if (instruction.keyword === 'LABEL' || !SECRET_NAME.test(key) || PUBLIC_NAME.test(key)) continue;
      const message = `${instruction.keyword} ${key} looks like a secret, and would stay in the image`;
      yield { message, position: placeOf(source, instruction.range, key) };
    }
  },
};

/** What keys of well-known kinds look like. */
const KEYS: readonly (readonly [what: string, pattern: RegExp])[] = [
  ['a private key', /-----BEGIN [A-Z ]*PRIVATE KEY-----/],
  ['an AWS access key', /\b(?:AKIA|ASIA)[0-9A-Z]{16}\b/],
  ['a GitHub token', /\b(?:gh[pousr]_[A-Za-z0-9]{36}|github_pat_\w{22,})/],
  ['a GitLab token', /\bglpat-[\w-]{20}/],
  ['a Slack token', /\bxox[abprs]-[\w-]{10,}/],
  ['a Google API key', /\bAIza[\w-]{35}/],
  ['a JSON web token', /\beyJ[\w-]{8,}\.eyJ[\w-]{8,}\.[\w-]{8,}/],
  ['a URL with a password', /\b[a-z][a-z0-9+.-]*:\/\/[^\s:/@$]+:[^\s:/@$]+@/i],
];

export const secretValueInArgOrEnv: Rule = {
  name: 'SecretValueInArgOrEnv',
  about: 'A value in ARG, ENV or LABEL looks like a key',
  when: 'check',
  *find({ kubefile, source }) {
    const all = [...kubefile.globalArgs, ...kubefile.stages.flatMap(({ instructions }) => instructions)];
    const seen = new Set<string>();
    for (const { instruction, key, value } of variables(all)) {
      const [what] = KEYS.find(([, pattern]) => pattern.test(value)) ?? [];
      const position = placeOf(source, instruction.range, key);
      const place = `${position.line}:${position.column}`;
      if (what === undefined || seen.has(place)) continue;
      seen.add(place); // in kubefile/v1 an ARG before FROM belongs to the stage too
      yield { message: `the value of ${instruction.keyword} ${key} looks like ${what}`, position };
    }
  },
};

interface Variable {
  readonly instruction: StageInstruction;
  readonly key: string;
  readonly value: string;
}

function variables(instructions: readonly StageInstruction[]): Variable[] {
  return instructions.flatMap((instruction): Variable[] => {
    switch (instruction.keyword) {
      case 'ARG':
        return instruction.args.map(({ key, value = '' }) => ({ instruction, key, value }));
      case 'ENV':
      case 'LABEL':
        return instruction.pairs.map(({ key, value }) => ({ instruction, key, value }));
      default:
        return [];
    }
  });
}

const LIST_WITH_CREDENTIALS = 'imageListWithAuth.yaml';

/** sealer takes this list from the context without any COPY, so nothing is lost by leaving it out. */
export const credentialsCopied: Rule = {
  name: 'CredentialsCopied',
  about: 'A file with registry passwords would become part of the image',
  when: 'check',
  find: copiedCredentials,
};

function* copiedCredentials({ byPlatform, facts, source, kubefile }: LintInput): Iterable<Remark> {
  const [first] = byPlatform;
  for (const { instruction, word, written } of first === undefined ? [] : contextSources(kubefile, first)) {
    const found = facts.sources.get(word)?.credentials ?? [];
    const files = found.length === 0 && word.endsWith(LIST_WITH_CREDENTIALS) ? [word] : found;
    if (files.length === 0) continue;
    const hint = kubefile.dialect === 'dockerfile' ? '' : ': a cluster image is built with it without COPY';
    const message = `${files.join(', ')} holds passwords and would be in the image${hint}`;
    yield { message, position: placeOf(source, instruction.range, written) };
  }
}
