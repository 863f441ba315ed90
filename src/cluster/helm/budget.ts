/** How much a chart may do: templates can loop and grow without end, and whoever wrote one may mean to. */
import { FunctionError } from './template-error.ts';
import { isList, type Value } from './value.ts';

const STEPS = 5_000_000;
/** Of a single text or list. */
const LARGEST = 16 << 20;
/** Characters that count as one step. */
const CHARACTERS_A_STEP = 64;
/** Characters that take as much as an item of a list. */
const CHARACTERS_AN_ITEM = 16;

export class Budget {
  #left = STEPS;

  /** Throws FunctionError once there is nothing left. */
  spend(size = 0): void {
    if (size > LARGEST) throw new FunctionError('a result is too large');
    this.#left -= 1 + Math.ceil(size / CHARACTERS_A_STEP);
    if (this.#left < 0) throw new FunctionError('it does not come to an end');
  }

  /** For what a function has made. Throws FunctionError. */
  spendOn(value: Value): void {
    if (isList(value)) this.spend(value.length * CHARACTERS_AN_ITEM);
    else this.spend(typeof value === 'string' ? value.length : 0);
  }
}

/** Before something of a size is made. Throws FunctionError. */
export function requireModest(size: number): void {
  if (!(size <= LARGEST)) throw new FunctionError('a result is too large');
}
