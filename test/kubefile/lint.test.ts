/**
 * Each rule has a folder in fixtures/lint with a file it finds something in, and the findings of all rules.
 * `UPDATE_GOLDEN=1` writes them anew.
 */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { lintKubefile, type LintOptions } from '../../src/kubefile/lint/lint.ts';
import type { LintFacts, SourceFacts } from '../../src/kubefile/lint/rule.ts';
import { RULES } from '../../src/kubefile/lint/rules.ts';
import { parseKubefile } from '../../src/kubefile/parse.ts';

const FIXTURES = fileURLToPath(new URL('../../fixtures/lint', import.meta.url));

const platform = (architecture: string): LintOptions['platforms'][number] => ({
  name: `linux/${architecture}`,
  architecture,
  args: new Map([
    ['TARGETPLATFORM', `linux/${architecture}`],
    ['TARGETOS', 'linux'],
    ['TARGETARCH', architecture],
    ['BUILDPLATFORM', 'linux/amd64'],
  ]),
});

const source = (kind: SourceFacts['kind'], more: Partial<SourceFacts> = {}): SourceFacts => ({
  kind,
  programs: [],
  credentials: [],
  ...more,
});

/** The world of all fixtures. */
const facts: LintFacts = {
  images: new Map([['stored', { environment: new Map(), platforms: ['linux/amd64'] }]]),
  sources: new Map([
    ['.', source('directory', { credentials: ['imageListWithAuth.yaml'] })],
    ['a.txt', source('file')],
    ['b.txt', source('file')],
    ['rootfs', source('directory')],
    ['secret.txt', source('excluded')],
    ['ignored/', source('excluded')],
    ['bin', source('directory', { programs: [{ path: 'bin/kubelet', architectures: ['amd64'] }] })],
    ['arm64/tool', source('file', { programs: [{ path: 'arm64/tool', architectures: ['arm64'] }] })],
    ['riscv64/tool', source('file', { programs: [{ path: 'riscv64/tool', architectures: ['arm64'] }] })],
  ]),
};

const check = (text: string, options: Partial<LintOptions> & { file?: string } = {}): string[] => {
  const { file = 'Dockerfile', ...lint } = options;
  const { findings } = lintKubefile(parseKubefile(text, { file }), {
    buildArgs: {},
    platforms: [platform('arm64')],
    purpose: 'check',
    ...lint,
  });
  return findings.map(({ rule }) => rule);
};

describe('a rule', () => {
  it.each(RULES.map(({ name }) => name))('%s finds what its fixture has', (rule) => {
    const folder = join(FIXTURES, rule);
    const [file = ''] = readdirSync(folder).filter((name) => name !== 'findings.json');
    const kubefile = parseKubefile(readFileSync(join(folder, file), 'utf8'), { file });
    const { findings } = lintKubefile(kubefile, {
      buildArgs: {},
      platforms: [platform('arm64'), platform('riscv64')],
      purpose: 'check',
      facts,
    });
    const golden = join(folder, 'findings.json');
    const shown = `${JSON.stringify(findings, null, 2)}\n`;
    if (process.env['UPDATE_GOLDEN'] === '1') writeFileSync(golden, shown);
    expect(shown).toBe(readFileSync(golden, 'utf8'));
    expect(findings.map((finding) => finding.rule)).toContain(rule);
  });

  it('has a fixture, and each fixture a rule', () => {
    expect(readdirSync(FIXTURES).sort()).toEqual(RULES.map(({ name }) => name).sort());
  });
});

describe('check options', () => {
  const text = 'FROM scratch as Base\ncopy a /a\n';
  const all = ['ConsistentInstructionCasing', 'FromAsCasing', 'StageNameCasing'];

  it.each([
    ['', all],
    ['# check=skip=all', []],
    ['# check=skip=FromAsCasing', ['ConsistentInstructionCasing', 'StageNameCasing']],
    ['# check=skip=FromAsCasing, StageNameCasing;error=true', ['ConsistentInstructionCasing']],
    ['# check=error=true', all],
  ])('%j', (directive, rules) => {
    expect(check(`${directive}\n${text}`).sort()).toEqual(rules);
  });

  it('of --build-arg replace those of the file', () => {
    const buildArgs = { BUILDKIT_DOCKERFILE_CHECK: 'skip=StageNameCasing;error=true' };
    expect(check(`# check=skip=all\n${text}`, { buildArgs }).sort()).toEqual(all.slice(0, 2));
  });

  it('leave an experiment that is asked for beside skip=all', () => {
    const directive = '# check=skip=all;experimental=InvalidDefinitionDescription';
    expect(check(`${directive}\n\n# other\nFROM scratch AS a\n`)).toEqual(['InvalidDefinitionDescription']);
  });

  it.each([
    ['skip', 'check option "skip" has no value'],
    ['error=maybe', 'check option error is true or false, not "maybe"'],
    ['skp=all', 'unknown check option "skp"'],
  ])('are refused: %s', (options, message) => {
    expect(() => check(`# syntax=dockerfile\n# check=${options}\nFROM scratch\n`)).toThrow(
      expect.objectContaining({ message, location: expect.objectContaining({ line: 2 }) as unknown }),
    );
    const buildArgs = { BUILDKIT_DOCKERFILE_CHECK: options };
    expect(() => check('FROM scratch\n', { buildArgs })).toThrow(message);
  });
});

describe('what a build warns about', () => {
  it('is what needs no look around, and no experiment', () => {
    const found = check('FROM scratch\nARG TARGETARCH=x\nARG token\nMAINTAINER me\n', { purpose: 'build' });
    expect(found).toEqual(['SecretsUsedInArgOrEnv', 'MaintainerDeprecated']);
  });
});

describe('variables', () => {
  it.each([
    [
      'a near name in a stage on an unknown base',
      'FROM base\nARG NAME=a\nCOPY $NAEM /x/\n',
      ['UndefinedVar'],
    ],
    ['a name that the base may set', 'FROM base\nCOPY $OTHER /x/\n', []],
    ['a name of the stage below', 'FROM scratch AS a\nENV X=1\nFROM a\nCOPY $X /x/\n', []],
    ['an ARG of the stage below', 'FROM scratch AS a\nARG X=1\nFROM a\nCOPY $X /x/\n', []],
    ['sealer’s ARCH in a Dockerfile', 'FROM scratch\nCOPY $ARCH /x/\n', ['UndefinedVar']],
    ['a free name', 'FROM scratch\nENV A=$SOURCE_DATE_EPOCH\n', []],
  ])('%s', (_, text, rules) => {
    expect(check(text)).toEqual(rules);
  });

  it('of a base that is known are known', () => {
    const images = new Map([['base', { environment: new Map([['X', '1']]), platforms: ['linux/arm64'] }]]);
    const text = 'FROM base\nCOPY $X /x/\nCOPY $Y_OF_NOBODY /x/\n';
    expect(check(text, { facts: { ...facts, images } })).toEqual(['UndefinedVar']);
  });
});
