/**
 * What must hold between the parts of an image, beyond what each document's parser checks alone. Whoever walks an
 * image hands over what it has read and collects the problems; nothing is thrown. No public validator checks all of
 * it: history against layers and config against index platform are checked by none.
 */
import {
  CONFIG_RULES,
  CONTENT_RULES,
  INDEX_RULES,
  LAYER_RULES,
  MANIFEST_RULES,
  type ConfigFacts,
  type ContentFacts,
  type IndexFacts,
  type LayerFacts,
  type ManifestFacts,
  type Rule,
} from './verify-rules.ts';

export interface Problem {
  /** The id of the rule. */
  readonly rule: string;
  /** What it was found in, as the caller named it. */
  readonly where: string;
  readonly message: string;
}

/** The problems of an index itself, not of its entries' content. `where` names it in the problems. */
export const verifyIndex = (facts: IndexFacts, where: string): Problem[] => apply(INDEX_RULES, facts, where);
export const verifyManifest = (facts: ManifestFacts, where: string): Problem[] =>
  apply(MANIFEST_RULES, facts, where);
/** Only for configs of runnable images (`isConfigType`). */
export const verifyConfig = (facts: ConfigFacts, where: string): Problem[] =>
  apply(CONFIG_RULES, facts, where);
/** For documents, which are in memory anyway; layers are verified while they are read. */
export const verifyContent = (facts: ContentFacts, where: string): Problem[] =>
  apply(CONTENT_RULES, facts, where);
export const verifyLayerHead = (facts: LayerFacts, where: string): Problem[] =>
  apply(LAYER_RULES, facts, where);

function apply<Facts>(rules: readonly Rule<Facts>[], facts: Facts, where: string): Problem[] {
  return rules.flatMap(({ id, check }) => check(facts).map((message) => ({ rule: id, where, message })));
}
