/** Encodings, hashes, and what is random or secret: the same every time here, since nothing is installed. */
import { createHash } from 'node:crypto';
import { requireModest } from '../budget.ts';
import { FunctionError } from '../template-error.ts';
import { GoObject, type Value } from '../value.ts';
import { fromJson, fromYaml, fromYamlList, toJson, toPrettyJson, toToml, toYaml } from '../serialize.ts';
import { integer, text, toInteger, withAliases, type FunctionTable } from './arguments.ts';

const hash = (algorithm: string, value: Value | undefined): string =>
  createHash(algorithm).update(text(value)).digest('hex');

const ALPHABET = { alpha: 'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ', digits: '0123456789' };

/** Looks random, is the same in every build: what is rendered here is only looked at. */
function constant(count: Value | undefined, alphabet: string): string {
  const length = integer(count);
  requireModest(length);
  return Array.from({ length }, (_, index) => alphabet[(index * 7 + 3) % alphabet.length]).join('');
}

const certificate = (): Value =>
  new GoObject('sprig.certificate', {
    fields: {
      Cert: '-----BEGIN CERTIFICATE-----\nMAo=\n-----END CERTIFICATE-----\n',
      Key: '-----BEGIN RSA PRIVATE KEY-----\nMAo=\n-----END RSA PRIVATE KEY-----\n',
    },
  });

export const ENCODING: FunctionTable = withAliases(
  {
    b64enc: (value) => Buffer.from(text(value)).toString('base64'),
    b64dec: (value) => Buffer.from(text(value), 'base64').toString(),
    b32enc: (value) => base32(Buffer.from(text(value))),
    b32dec: (value) => fromBase32(text(value)),
    sha1sum: (value) => hash('sha1', value),
    sha256sum: (value) => hash('sha256', value),
    sha512sum: (value) => hash('sha512', value),
    adler32sum: (value) => String(adler32(Buffer.from(text(value)))),
    toJson: (value = null) => toJson(value),
    toPrettyJson: (value = null) => toPrettyJson(value),
    toRawJson: (value = null) => toJson(value, { isRaw: true }),
    fromJson: (value) => fromJson(text(value)),
    fromJsonArray: (value) => fromJson(text(value)),
    toYaml: (value = null) => toYaml(value),
    fromYaml: (value) => fromYaml(text(value)),
    fromYamlArray: (value) => fromYamlList(text(value)),
    toToml: (value = null) => toToml(value),
    randAlphaNum: (count) => constant(count, ALPHABET.alpha + ALPHABET.digits),
    randAlpha: (count) => constant(count, ALPHABET.alpha),
    randNumeric: (count) => constant(count, ALPHABET.digits),
    randAscii: (count) => constant(count, ALPHABET.alpha),
    randBytes: (count) => Buffer.alloc(Math.min(integer(count), 1 << 20), 7).toString('base64'),
    randInt: (from) => toInteger(from),
    uuidv4: () => '00000000-0000-4000-8000-000000000000',
    shuffle: (value) => text(value),
    bcrypt: () => '$2a$10$aaaaaaaaaaaaaaaaaaaaaeaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa',
    htpasswd: (user) => `${text(user)}:$2a$10$aaaaaaaaaaaaaaaaaaaaaeaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa`,
    derivePassword: () => 'Xxxx0xxxxx0',
    genPrivateKey: () => '-----BEGIN RSA PRIVATE KEY-----\nMAo=\n-----END RSA PRIVATE KEY-----\n',
    genCA: certificate,
    genSelfSignedCert: certificate,
    genSignedCert: certificate,
    buildCustomCert: certificate,
    encryptAES: (_, value) => Buffer.from(text(value)).toString('base64'),
    decryptAES: (_, value) => Buffer.from(text(value), 'base64').toString(),
  },
  {
    mustToJson: 'toJson',
    mustToPrettyJson: 'toPrettyJson',
    mustToRawJson: 'toRawJson',
    mustFromJson: 'fromJson',
    mustToYaml: 'toYaml',
    mustToToml: 'toToml',
    genCAWithKey: 'genCA',
    genSelfSignedCertWithKey: 'genSelfSignedCert',
    genSignedCertWithKey: 'genSignedCert',
  },
);

const BASE32 = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567';

function base32(bytes: Buffer): string {
  let [text_, buffer, bits] = ['', 0, 0];
  for (const byte of bytes) {
    buffer = (buffer << 8) | byte;
    for (bits += 8; bits >= 5; bits -= 5) text_ += BASE32[(buffer >> (bits - 5)) & 31] ?? '';
    buffer &= 0xff;
  }
  if (bits > 0) text_ += BASE32[(buffer << (5 - bits)) & 31] ?? '';
  return text_.padEnd(Math.ceil(text_.length / 8) * 8, '=');
}

function fromBase32(text_: string): string {
  const bytes: number[] = [];
  let [buffer, bits] = [0, 0];
  for (const character of text_.replace(/=+$/, '')) {
    const value = BASE32.indexOf(character);
    if (value < 0) throw new FunctionError('illegal base32 data');
    buffer = ((buffer << 5) | value) & 0xfff;
    bits += 5;
    if (bits < 8) continue;
    bits -= 8;
    bytes.push((buffer >> bits) & 0xff);
  }
  return Buffer.from(bytes).toString();
}

function adler32(bytes: Buffer): number {
  let [a, b] = [1, 0];
  for (const byte of bytes) {
    a = (a + byte) % 65_521;
    b = (b + a) % 65_521;
  }
  return b * 65_536 + a;
}
