/** Number constants as Go writes them: an integer is a bigint here, anything else a number. */

/** Undefined for what is no number; complex numbers have no use here and are none. */
export function parseNumber(text: string): bigint | number | undefined {
  const sign = text.startsWith('-') ? -1 : 1;
  const digits = text.replace(/^[+-]/, '');
  if (!/^(?!_)(?!.*__)(?!.*_$)/.test(digits) || digits.endsWith('i')) return undefined;
  const plain = digits.replaceAll('_', '');
  if (/^0[xX].*[pP.]/.test(plain)) return withSign(sign, hexFloat(plain));
  if (/^0[xXbBoO]/.test(plain)) return withSign(sign, BigInt(plain));
  if (/^0[0-7]+$/.test(plain)) return withSign(sign, BigInt(`0o${plain.slice(1)}`));
  if (/^0\d+$/.test(plain)) return undefined;
  if (/^\d+$/.test(plain)) return withSign(sign, BigInt(plain));
  const value = Number(plain);
  return Number.isNaN(value) ? undefined : sign * value;
}

function withSign(sign: number, value: bigint | number | undefined): bigint | number | undefined {
  if (value === undefined) return undefined;
  return typeof value === 'bigint' ? BigInt(sign) * value : sign * value;
}

function hexFloat(text: string): number | undefined {
  const [, whole = '', fraction = '', exponent] =
    /^0[xX]([0-9a-fA-F]*)\.?([0-9a-fA-F]*)[pP]([+-]?\d+)$/.exec(text) ?? [];
  if (exponent === undefined || whole + fraction === '') return undefined;
  return parseInt(whole + fraction, 16) * 2 ** (Number(exponent) - 4 * fraction.length);
}
