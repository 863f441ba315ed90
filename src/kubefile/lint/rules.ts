/** The table of rules. Names of BuildKit's rules are its own, so that `# check=skip=` works in both. */
import { consistentInstructionCasing, fromAsCasing, stageNameCasing } from './casing.ts';
import { jsonArgsRecommended, multipleInstructionsDisallowed } from './commands.ts';
import { copyIgnoredFile, destinationBecomesFile, foreignProgramCopied } from './copies.ts';
import {
  fromPlatformFlagConstDisallowed,
  invalidBaseImagePlatform,
  invalidDefaultArgInFrom,
  redundantTargetPlatform,
} from './from-platform.ts';
import { legacyKeyValueFormat, maintainerDeprecated, noEmptyContinuation } from './legacy-forms.ts';
import {
  exposeInvalidFormat,
  exposeProtoCasing,
  invalidDefinitionDescription,
  platformArgOverridden,
  workdirRelativePath,
} from './other-words.ts';
import type { Rule } from './rule.ts';
import {
  copyPlacedByDialect,
  sealerDropsQuotes,
  sealerIgnoresWords,
  sealerSplitsCommand,
  sealerWipesVariable,
} from './sealer.ts';
import { credentialsCopied, secretsUsedInArgOrEnv, secretValueInArgOrEnv } from './secrets.ts';
import { ambiguousStageReference, duplicateStageName, reservedStageName } from './stage-names.ts';
import { undefinedArgInFrom, undefinedVar } from './variables.ts';

export const RULES: readonly Rule[] = [
  // BuildKit's
  stageNameCasing,
  fromAsCasing,
  noEmptyContinuation,
  consistentInstructionCasing,
  duplicateStageName,
  reservedStageName,
  jsonArgsRecommended,
  maintainerDeprecated,
  undefinedArgInFrom,
  workdirRelativePath,
  undefinedVar,
  multipleInstructionsDisallowed,
  legacyKeyValueFormat,
  invalidBaseImagePlatform,
  redundantTargetPlatform,
  secretsUsedInArgOrEnv,
  invalidDefaultArgInFrom,
  fromPlatformFlagConstDisallowed,
  copyIgnoredFile,
  invalidDefinitionDescription,
  exposeProtoCasing,
  exposeInvalidFormat,
  // our own
  ambiguousStageReference,
  copyPlacedByDialect,
  credentialsCopied,
  destinationBecomesFile,
  foreignProgramCopied,
  platformArgOverridden,
  sealerDropsQuotes,
  sealerIgnoresWords,
  sealerSplitsCommand,
  sealerWipesVariable,
  secretValueInArgOrEnv,
];
