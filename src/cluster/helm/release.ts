/** The release that charts are rendered for, without what renders them. */
export interface Release {
  readonly name: string;
  readonly namespace: string;
  /** `v1.31.0` */
  readonly kubeVersion: string;
}

export const DEFAULT_RELEASE: Release = {
  name: 'release-name',
  namespace: 'default',
  kubeVersion: 'v1.31.0',
};
