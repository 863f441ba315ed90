/**
 * What must hold between the parts of an image, beyond what each document's parser checks alone. Whoever walks an
 * image hands over what it has read and collects the findings; nothing is thrown. No public validator checks all of
 * it: history against layers and config against index platform are checked by none.
 */
import { CONFIG_RULES, type ConfigFacts } from './verify-config-rules.ts';
import {
  CONTENT_RULES,
  INDEX_RULES,
  LAYER_RULES,
  MANIFEST_RULES,
  type ContentFacts,
  type IndexFacts,
  type LayerFacts,
  type ManifestFacts,
  type Rule,
  type Severity,
} from './verify-rules.ts';

/** What a finding is about. */
export interface Subject {
  /** For people: `linux/arm64 layer 2 sha256:…`. */
  readonly where: string;
  /** Of the document or layer. */
  readonly digest?: string;
  /** The platform it belongs to, formatted; absent where it belongs to all. */
  readonly platform?: string;
}

export interface Finding extends Subject {
  /** The id of the rule. */
  readonly code: string;
  readonly severity: Severity;
  /** Of a file in the layer or layout. */
  readonly path?: string;
  /** What is there and what should be, where a program might want to know: `s390x` and `linux/arm64`. */
  readonly found?: string;
  readonly expected?: string;
  readonly message: string;
}

/** The findings about an index itself, not about its entries' content. */
export const verifyIndex = (facts: IndexFacts, subject: Subject): Finding[] =>
  apply(INDEX_RULES, facts, subject);
export const verifyManifest = (facts: ManifestFacts, subject: Subject): Finding[] =>
  apply(MANIFEST_RULES, facts, subject);
/** Only for configs of runnable images (`isConfigType`). */
export const verifyConfig = (facts: ConfigFacts, subject: Subject): Finding[] =>
  apply(CONFIG_RULES, facts, subject);
/** For documents, which are in memory anyway; layers are verified while they are read. */
export const verifyContent = (facts: ContentFacts, subject: Subject): Finding[] =>
  apply(CONTENT_RULES, facts, subject);
export const verifyLayerHead = (facts: LayerFacts, subject: Subject): Finding[] =>
  apply(LAYER_RULES, facts, subject);

/** Does anything speak against using the image? */
export const hasErrors = (findings: readonly Finding[]): boolean =>
  findings.some(({ severity }) => severity === 'error');

function apply<Facts>(rules: readonly Rule<Facts>[], facts: Facts, subject: Subject): Finding[] {
  return rules.flatMap(({ id, severity = 'error', check }) =>
    check(facts).map((message) => ({ code: id, severity, ...subject, message })),
  );
}
