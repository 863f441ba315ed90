/** Which variables are declared at a place of a template. */
export class Scope {
  #names: string[] = ['$'];

  add(name: string): void {
    this.#names.push(name);
  }

  has(name: string): boolean {
    return this.#names.includes(name);
  }

  /** What is declared while reading ends with it. */
  within<Value>(read: () => Value): Value {
    const { length } = this.#names;
    const value = read();
    this.#names.length = length;
    return value;
  }

  /** A definition sees none of the variables around it. */
  apart<Value>(read: () => Value): Value {
    const names = this.#names;
    this.#names = ['$'];
    const value = read();
    this.#names = names;
    return value;
  }
}
