/** Sprig's arithmetic: on integers, and on floats with an `f`. */
import { FunctionError } from '../template-error.ts';
import type { Value } from '../value.ts';
import { toFloat, toInteger, type FunctionTable } from './arguments.ts';

const sum = (values: readonly Value[]): bigint =>
  values.map(toInteger).reduce((total, each) => total + each, 0n);
const floats = (values: readonly Value[], fold: (one: number, other: number) => number): number =>
  values.map(toFloat).reduce(fold);

export const MATH: FunctionTable = {
  add: (...values) => sum(values),
  add1: (value) => toInteger(value) + 1n,
  sub: (one, other) => toInteger(one) - toInteger(other),
  mul: (...values) => values.map(toInteger).reduce((product, each) => product * each, 1n),
  div: (one, other) => toInteger(one) / nonzero(toInteger(other)),
  mod: (one, other) => toInteger(one) % nonzero(toInteger(other)),
  max: (...values) => values.map(toInteger).reduce((one, other) => (one > other ? one : other)),
  biggest: (...values) => values.map(toInteger).reduce((one, other) => (one > other ? one : other)),
  min: (...values) => values.map(toInteger).reduce((one, other) => (one < other ? one : other)),
  addf: (...values) => floats(values, (one, other) => one + other),
  add1f: (value) => toFloat(value) + 1,
  subf: (...values) => floats(values, (one, other) => one - other),
  mulf: (...values) => floats(values, (one, other) => one * other),
  divf: (...values) => floats(values, (one, other) => one / other),
  maxf: (...values) => floats(values, Math.max),
  minf: (...values) => floats(values, Math.min),
  ceil: (value) => Math.ceil(toFloat(value)),
  floor: (value) => Math.floor(toFloat(value)),
  round: (value, places, roundOn) => round(toFloat(value), Number(toInteger(places)), roundOn),
  int: (value) => toInteger(value),
  int64: (value) => toInteger(value),
  float64: (value) => toFloat(value),
  atoi: (value) => (typeof value === 'string' && /^[+-]?\d+$/.test(value) ? BigInt(value) : 0n),
  toDecimal: (value) => {
    const octal = typeof value === 'string' ? value : toInteger(value).toString();
    return /^[0-7]+$/.test(octal) ? BigInt(`0o${octal}`) : 0n;
  },
};

function nonzero(value: bigint): bigint {
  if (value === 0n) throw new FunctionError('integer divide by zero');
  return value;
}

function round(value: number, places: number, roundOn: Value | undefined): number {
  const scale = 10 ** places;
  const scaled = value * scale;
  const part = Math.abs(scaled) % 1;
  const isUp = part >= (roundOn === undefined ? 0.5 : toFloat(roundOn));
  return (isUp ? Math.ceil(scaled) : Math.floor(scaled)) / scale;
}
