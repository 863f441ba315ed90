import { expect, it } from 'vitest';
import { proxyFor } from '../../src/transfer/proxy-choice.ts';

const PROXY = 'http://proxy.test:3128';

it.each([
  ['https://registry.test/', 'registry.test'],
  ['https://a.registry.test/', 'registry.test'],
  ['https://a.registry.test/', '.registry.test'],
  ['https://a.registry.test/', '*.registry.test'],
  ['https://REGISTRY.test/', 'other.test, Registry.Test'],
  ['https://registry.test:5000/', 'registry.test:5000'],
  ['https://registry.test/', 'registry.test:443'],
  ['http://registry.test/', 'registry.test:80'],
  ['https://anything.test/', '*'],
  ['https://10.1.2.3/', '10.0.0.0/8'],
  ['https://10.1.2.3:5000/', '10.1.2.3'],
  ['https://[fd00::1]/', 'fd00::/8'],
  ['https://[fd00::1]:5000/', '[fd00::1]:5000'],
  ['https://localhost:5000/', ''],
  ['https://127.0.0.1:5000/', ''],
])('%s is reached directly with NO_PROXY=%s', (url, list) => {
  expect(proxyFor(new URL(url), { HTTPS_PROXY: PROXY, HTTP_PROXY: PROXY, NO_PROXY: list })).toBeUndefined();
});

it.each([
  ['https://registry.test/', ''],
  ['https://evilregistry.test/', 'registry.test'],
  ['https://registry.test.evil/', 'registry.test'],
  ['https://registry.test:5000/', 'registry.test:5001'],
  ['https://11.1.2.3/', '10.0.0.0/8'],
  ['https://1.10.1.2/', '10.1.2'],
  ['https://10.1.2.3/', '10.0.0.0/99'],
  ['https://registry.test/', 'registry.test/8'],
  ['https://[fe00::1]/', 'fd00::/16'],
])('%s goes through the proxy with NO_PROXY=%s', (url, list) => {
  expect(proxyFor(new URL(url), { HTTPS_PROXY: PROXY, NO_PROXY: list })?.host).toBe('proxy.test:3128');
});

it.each([
  [{ HTTPS_PROXY: 'http://s.test', HTTP_PROXY: 'http://p.test' }, 's.test', 'p.test'],
  [{ HTTP_PROXY: 'p.test:8080' }, 'p.test:8080', 'p.test:8080'],
  [{ HTTPS_PROXY: 'http://s.test' }, 's.test', undefined],
  [{ https_proxy: 'http://small.test', HTTPS_PROXY: 'http://s.test' }, 'small.test', undefined],
  [{ https_proxy: '', HTTPS_PROXY: 'http://s.test' }, undefined, undefined],
  [{ HTTPS_PROXY: 'not a url' }, undefined, undefined],
])('%j means %s for https and %s for http', (environment, secure, plain) => {
  expect(proxyFor(new URL('https://a.test'), environment)?.host).toBe(secure);
  expect(proxyFor(new URL('http://a.test'), environment)?.host).toBe(plain);
});
