/** Set by the bundler. */
declare const ARCH_BUILD_VERSION: string | undefined;

export const VERSION = typeof ARCH_BUILD_VERSION === 'string' ? ARCH_BUILD_VERSION : '0.0.0-source';
