/**
 * The file beside a pack: the code that V8 made of it, the same once more, and the text that it was made of. V8 itself
 * looks at the version, the flags and the length of the text and trusts every other byte: one that is not as it was written
 * is run, or ends the process. To compare costs a tenth of a millisecond; a digest would take longer than what all of this
 * saves, be it for loading Node's cryptography.
 */

/** The code comes first: V8 wants it aligned. */
const sealed = (text, code) => Buffer.concat([code, code, text]);

/** The code of such a file; undefined if it was made of another text, is cut off or damaged. */
function unsealed(text, file) {
  const size = (file.length - text.length) / 2;
  if (!Number.isInteger(size) || size <= 0) return undefined;
  const code = file.subarray(0, size);
  const isWhole = code.equals(file.subarray(size, 2 * size)) && text.equals(file.subarray(2 * size));
  return isWhole ? code : undefined;
}

module.exports = { sealed, unsealed };
